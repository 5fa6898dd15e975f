#include "tests/sim/world.hpp"

#include <algorithm>

namespace samovar::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kLongestDeadline = 3s;

// The client ends calls by itself this long after their deadline, when nobody else does.
constexpr Duration kGrace = client::limits::kDeadlineGrace + 1ms;

std::string message_of(const client::Outcome& outcome) {
  proto::ErrorValue error;
  return proto::decode_error(outcome.value.bytes(), error) ? "" : error.message;
}

std::string where_of(const client::Outcome& outcome) {
  proto::ErrorValue error;
  return proto::decode_error(outcome.value.bytes(), error) ? "" : error.where;
}

}  // namespace

World::World(const Plan& plan, Tally& tally)
    : plan_(plan), tally_(tally), start_(clock_.now()), random_(plan.seed), network_(*this), broker_(*this) {}

World::~World() = default;

void World::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
  trace("BROKEN: ", what);
}

bool World::picks(const std::string& part) {
  if (!plan_.only->contains(part) && !plan_.only->contains("everything")) return false;
  parts_.insert(part);
  return true;
}

broker::CoreConfig World::config() {
  broker::CoreConfig config;
  config.broker_id = "sim";
  config.clock = "sim";
  config.instance = ++instance_;
  config.max_queued = max_queued_;
  config.max_queued_bytes = max_queued_bytes_;
  config.max_outstanding_per_client = max_outstanding_;
  config.startup_grace = 200ms;
  config.no_worker_grace = 100ms;
  config.drain_grace = 200ms;
  config.stream_idle = 50ms;
  config.quarantine_after = quarantine_after_;
  if (configured_) {
    for (const auto& service : services_) config.services.push_back(service.name);
  }
  return config;
}

void World::build() {
  calm_ = random_.chance(0.15);
  lies_ = !calm_ && random_.chance(0.25) && takes("lies");
  fault_rate_ = calm_ ? 0 : random_.pick({0.02, 0.1, 0.3});
  const bool tight = random_.chance(0.3);
  max_queued_ = tight ? 1 + random_.below(20) : 10'000;
  max_outstanding_ = tight ? 1 + random_.below(30) : 10'000;
  max_queued_bytes_ = random_.chance(0.1) ? 200 : 1'000'000;
  configured_ = random_.chance(0.3);
  shares_ = random_.chance(0.7);
  quarantine_after_ = random_.pick<std::uint32_t>({0, 1, 2, 3});
  instance_ = static_cast<std::uint32_t>(random_.below(1'000'000));
  for (std::size_t i = 0, count = 1 + random_.below(3); i < count; ++i) {
    services_.push_back(
        {"s" + std::to_string(i), random_.chance(0.7), random_.pick<Duration>({20us, 200us, 3ms, 30ms})});
  }
  broker_.start(config());
  std::uint64_t places = 0;
  for (const auto& service : services_) {
    Supervisor* supervisor = nullptr;
    if (service.supervised) {
      supervisors_.push_back(std::make_unique<Supervisor>(*this, "supervisor-" + service.name, service));
      supervisor = supervisors_.back().get();
      supervisor->start();
    }
    for (std::size_t i = 0, count = 1 + random_.below(3); i < count; ++i, ++places) {
      if (takes("worker", places)) spawn_later({service, supervisor, places});
    }
  }
  for (std::size_t i = 0, count = 1 + random_.below(4); i < count; ++i) {
    clients_.push_back(std::make_unique<ClientHost>(*this, "c" + std::to_string(i)));
    network_.connect(*clients_.back());
  }
  plan_calls();
  clock_.after(10ms, [this] { plan_faults(0); });
}

void World::spawn_later(const WorkerSpec& spec) {
  clock_.after(Random(seed(), "start " + spec.name()).between(100us, 40ms), [this, spec] {
    trace(spec.name(), " is started for ", spec.service.name);
    workers_.push_back(std::make_unique<Worker>(*this, spec));
    network_.connect(*workers_.back());
  });
}

// --- the workload --------------------------------------------------------------------------------------------

void World::plan_calls() {
  Time at = start_ + random_.between(0us, 30ms);
  const std::size_t count = 20 + random_.below(100);
  for (std::size_t index = 0; index < count;) {
    ClientHost& client = *clients_[random_.below(clients_.size())];
    const std::size_t burst = random_.chance(0.3) ? 1 + random_.below(20) : 1;
    for (const auto end = std::min(index + burst, count); index < end; ++index) {
      if (!takes("call", index)) continue;
      calls_to_end_ += 1;
      clock_.at(at,
                [this, &client, index] { client.run([this, &client, index] { submit(client, index); }); });
    }
    at += random_.between(1us, random_.chance(0.1) ? 40ms : 2ms);
  }
}

void World::submit(ClientHost& client, std::uint64_t index) {
  Random random(seed(), "call", index);
  CallRecord& record = calls_.emplace_back();
  record.client = client.name();
  record.echo = record.client + ":" + std::to_string(index);
  record.service = random.chance(0.02) ? "nobody" : services_[random.below(services_.size())].name;
  const bool pure = random.chance(0.25) && shares_;
  const bool idempotent_method = pure || random.chance(0.4);
  record.body = pure ? "look " + record.service + " " + std::to_string(random.below(3)) : record.echo;
  const bool is_stream = !pure && random.chance(0.2);
  const bool is_scan = !pure && is_stream != random.chance(0.02);
  auto call = record.call = std::make_shared<client::Call>();
  call->method = record.service + (random.chance(0.02) ? ".nothing"
                                   : is_scan           ? ".scan"
                                   : pure              ? ".look"
                                   : idempotent_method ? ".get"
                                                       : ".put");
  if (random.chance(0.2)) call->flags |= proto::kIdempotent;
  if (random.chance(0.2)) call->flags |= proto::kMetadata;
  record.may_run_twice = (idempotent_method && !is_scan) || (call->flags & proto::kIdempotent);
  std::map<std::string, std::uint64_t> extensions;
  const std::uint64_t attachments = !pure && random.chance(0.1) ? 1 + random.below(3) : 0;
  if (attachments > 0) extensions["attachments"] = attachments;
  for (std::uint64_t i = 0; i < attachments; ++i) {
    call->attachments.push_back(Buffer(record.echo + "#" + std::to_string(i)));
  }
  if (is_stream) make_stream(record, extensions, random);
  if (random.chance(0.3)) extensions["priority"] = random.below(3);
  make_schema(record, extensions);
  call->tail = test::body(record.body) + test::ext(extensions);
  const auto timeout = random.chance(0.3)   ? random.between(200us, 20ms)
                       : random.chance(0.5) ? random.between(20ms, 500ms)
                                            : random.between(500ms, kLongestDeadline);
  call->deadline = record.deadline = clock_.now() + timeout;
  make_again(record, is_stream);
  take_in(record, client);
  if (random.chance(0.08) && takes("cancels")) {
    clock_.after(random.between(0us, 20ms), [&client, &record] { client.cancel(record); });
  }
}

// Retries, and second attempts beside the first, by the client itself.
void World::make_again(CallRecord& record, bool is_stream) {
  Random random(seed(), "again", calls_.size());
  auto& call = *record.call;
  if (random.chance(0.2)) {
    call.retry = {static_cast<std::uint8_t>(random.between(2us, 5us) / 1us), random.between(10us, 5ms), 20ms};
  }
  const bool idempotent = (call.flags & proto::kIdempotent) != 0;
  if (idempotent && !is_stream && random.chance(0.4)) {
    record.hedged = true;
    call.hedge_after = random.between(100us, 20ms);
  }
}

void World::take_in(CallRecord& record, ClientHost& client) {
  by_echo_[record.echo] = &record;
  by_call_[reinterpret_cast<std::uintptr_t>(record.call.get())] = &record;
  trace(record.client, " calls ", record.echo, " ", record.call->method,
        record.call->flags & proto::kIdempotent ? " (idempotent)" : "");
  client.submit(record);
}

// --- the faults ----------------------------------------------------------------------------------------------

Worker* World::any_worker(Random& random) {
  std::vector<Worker*> alive;
  for (const auto& worker : workers_) {
    if (worker->alive()) alive.push_back(worker.get());
  }
  if (alive.empty()) return nullptr;
  Worker* one = alive[random.below(alive.size())];
  Worker* other = alive[random.below(alive.size())];
  return one->held() > other->held() ? one : other;  // where more is at stake
}

void World::restart_broker(Duration down) {
  if (!broker_.up()) return;
  broker_.crash();
  clock_.after(down, [this] { broker_.start(config()); });
}

// When they come depends on nothing but their number.
void World::plan_faults(std::uint64_t index) {
  if (healing_) return;
  Random random(seed(), "fault", index);
  clock_.after(random.between(1ms, 20ms), [this, index] { plan_faults(index + 1); });
  const bool drains = random.chance(0.1);
  const bool breaks = random.chance(fault_rate_);
  Worker* worker = drains && takes("drain", index) ? any_worker(random) : nullptr;
  if (worker) worker->drain();
  if (breaks && takes("fault", index)) break_something(random);
}

void World::break_something(Random& random) {
  Worker* worker = any_worker(random);
  ClientHost& client = *clients_[random.below(clients_.size())];
  Supervisor* supervisor =
      supervisors_.empty() ? nullptr : supervisors_[random.below(supervisors_.size())].get();
  switch (random.below(15)) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (worker) worker->crash();
      break;
    case 4:
      if (worker) worker->pause(random.between(1ms, 300ms));
      break;
    case 5:
    case 6:
      if (!worker) break;
      worker_lost(worker->spec().service.name);
      network_.cut(*worker);
      break;
    case 7: network_.cut(client); break;
    case 8: client.crash(); break;
    case 9: client.pause(random.between(1ms, 300ms)); break;
    case 10:
      if (supervisor) network_.cut(*supervisor);
      break;
    case 11:
      if (supervisor) supervisor->crash();
      break;
    case 12:
      if (!supervisor) break;
      supervisor->say(proto::PoolState::failed);
      clock_.after(random.between(1ms, 60ms), [supervisor] { supervisor->say(proto::PoolState::loading); });
      break;
    case 13: broker_.pause(random.between(100us, random.chance(0.1) ? 300ms : 50ms)); break;
    default:
      broker_stops_ += 1;
      tally_.add("sim.broker_stops");
      if (random.chance(0.5) && broker_.up()) {
        broker_.shutdown();
        const auto down = random.between(1ms, 100ms);
        clock_.after(random.between(1ms, 250ms), [this, down] { restart_broker(down); });
      } else {
        restart_broker(random.between(1ms, 200ms));
      }
  }
}

void World::crash_workers_of(const Supervisor& supervisor) {
  const auto count = workers_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (workers_[i]->spec().supervisor == &supervisor) workers_[i]->crash();
  }
}

// --- the ledger ----------------------------------------------------------------------------------------------

CallRecord* World::find(const std::string& echo) {
  const auto at = by_echo_.find(echo);
  return at == by_echo_.end() ? nullptr : at->second;
}

void World::began(const std::string& echo, const std::string& worker) {
  if (is_shared(echo)) {
    trace(worker, " runs ", echo);
    shared_runs_[echo] += 1;
    return;
  }
  CallRecord* record = find(echo);
  if (!record) return fail("a worker ran a call that nobody made");
  trace(worker, " runs ", echo);
  record->runs += 1;
  if (record->differs) fail(echo + " ran, although its caller was built against other types");
  if (record->runs > 1) tally_.add("sim.run_again");
  if (record->runs > 1 && !record->may_run_twice) fail(echo + " ran twice");
}

// At most: how many deaths of workers its broker may have counted against it.
std::uint32_t World::deaths_of(const std::string& body) const {
  const auto at = dispatched_to_.find(body);
  if (at == dispatched_to_.end()) return 0;
  return static_cast<std::uint32_t>(
      std::count_if(at->second.begin(), at->second.end(), [&](auto epoch) { return died_.contains(epoch); }));
}

void World::abandon_calls(const ClientHost& client) {
  for (auto& record : calls_) {
    if (record.client != client.name() || record.outcomes > 0 || record.abandoned) continue;
    record.abandoned = true;
    calls_to_end_ -= 1;
  }
}

void World::completed(const client::Completion& completion, ClientHost& client) {
  const auto at = by_call_.find(reinterpret_cast<std::uintptr_t>(completion.call.get()));
  if (at == by_call_.end()) return fail("a call was completed that nobody made");
  CallRecord& record = *at->second;
  const auto& outcome = completion.outcome;
  const std::string word(to_word(outcome.status));
  const std::string where = outcome.status == Status::ok ? "" : where_of(outcome);
  trace(client.name(), " hears ", word, where.empty() ? "" : " (" + where + ")", " for ", record.echo);
  tally_.add("outcome." + word + (where.empty() ? "" : "." + where));
  if (record.client != client.name()) return fail(record.echo + " was completed by another client");
  if (++record.outcomes > 1) return fail(record.echo + " ended twice");
  calls_to_end_ -= 1;
  if (clock_.now() > std::max(record.deadline + kGrace, client.resumed()))
    return fail(record.echo + " ended long after its deadline");
  if (plan_.rule) {
    const auto broken = plan_.rule(record, outcome);
    if (!broken.empty()) return fail(record.echo + broken);
  }

  if (record.is_last && outcome.status != Status::ok && outcome.status != Status::app_error)
    return fail(record.echo + " was called when all was well again, and ended as " + word);

  const bool client_tried_again = outcome.attempt > 1 || record.hedged;
  const bool nothing_ran = outcome.status == Status::unavailable || outcome.status == Status::overloaded ||
                           outcome.status == Status::no_service || outcome.status == Status::bad_request ||
                           outcome.status == Status::schema_mismatch ||
                           (outcome.status == Status::deadline_exceeded && where == "queued");
  if (nothing_ran && record.runs > 0 && !(record.may_run_twice && client_tried_again)) {
    return fail(record.echo + " ended as " + word + ", but it ran");
  }
  switch (outcome.status) {
    case Status::ok: {
      const auto echo = record.is_stream() ? record.body : test::text_of_value(outcome.value.bytes());
      if (record.is_stream() && record.items != record.length)
        return fail(record.echo + " ended without all of its items");
      if (record.is_stream() && outcome.value.bytes() != proto::kNil)
        return fail(record.echo + " is a stream, and ended with a value");
      if (echo != record.body) return fail(record.echo + " got the result of '" + echo + "'");
      if (record.runs + shared_runs_[record.body] == 0)
        return fail(record.echo + " has a result but never ran");
      const auto ext = test::read_ext(outcome.ext.bytes());
      const bool has_metadata = ext.contains("queued_us") && ext.contains("worker");
      if (has_metadata != ((record.call->flags & proto::kMetadata) != 0))
        return fail(record.echo + ": metadata");
      if (record.is_stream()) break;
      if (outcome.attachments.size() != record.call->attachments.size())
        return fail(record.echo + ": attachments");
      for (std::size_t i = 0; i < outcome.attachments.size(); ++i) {
        if (outcome.attachments[i].bytes() != record.call->attachments[i].bytes()) {
          return fail(record.echo + " got the attachments of another");
        }
      }
      break;
    }
    case Status::app_error:
      if (proto::ErrorValue error;
          proto::decode_error(outcome.value.bytes(), error) || error.message != record.body) {
        return fail(record.echo + " got the error of another");
      }
      break;
    case Status::bad_request:
      if (record.call->method.ends_with(".nothing")) break;
      if (record.call->method.ends_with(".scan") != record.is_stream()) break;
      if (quarantine_after_ == 0 || deaths_of(record.body) < quarantine_after_)
        return fail(record.echo + " was refused as bad: " + message_of(outcome));
      tally_.add("sim.quarantined");
      break;
    case Status::no_service:
      if (record.service != "nobody" && calm_) return fail(record.echo + " found no service");
      break;
    case Status::unavailable:
      if (calm_ && where != "queued" && where != "client") return fail(record.echo + " found nobody");
      break;
    case Status::overloaded:
      if (message_of(outcome).starts_with("its deadline is in ")) break;
      if (max_queued_ == 10'000 && max_queued_bytes_ == 1'000'000)
        return fail(record.echo + " was refused at no limit");
      break;
    case Status::deadline_exceeded:
      if (record.is_stream() && where == "client" && clock_.now() < record.deadline) {
        if (record.reader == Reader::quick && calm_)
          return fail(record.echo + " has a quick reader, and lost its stream");
        tally_.add("sim.streams_idle");
        break;
      }
      // The wire has the time of sending and the timeout, each rounded down.
      if (clock_.now() < record.deadline - 2us)
        return fail(record.echo + " was told that it is late before it was");
      if (calm_ && clock_.now() > record.deadline + kGrace / 2)
        return fail("the broker did not say that " + record.echo + " was late");
      break;
    case Status::cancelled:
      if (!record.cancelled) return fail(record.echo + " was cancelled by nobody");
      break;
    case Status::worker_lost:
      if (worker_losses_[record.service] == 0) return fail(record.echo + " lost a worker that was not lost");
      break;
    case Status::broker_lost:
      if (broker_stops_ + client_losses_[client.name()] == 0)
        return fail(record.echo + " lost a broker that was not lost");
      break;
    case Status::internal:
      if (!record.lied_about) return fail(record.echo + " ended as " + word);
      tally_.add("sim.streams_spoilt");
      break;
    case Status::schema_mismatch:
      if (!record.differs) return fail(record.echo + " was told that its types have changed");
      break;
    default: return fail(record.echo + " ended as " + word);
  }
}

// --- the run -------------------------------------------------------------------------------------------------

std::string World::run() {
  build();
  const auto run_until = [this](Time until, auto done) {
    while (failure_.empty() && !done() && clock_.step(until)) {
    }
  };
  run_until(start_ + 20s, [this] { return calls_to_end_ == 0; });
  if (failure_.empty() && calls_to_end_ > 0) fail("calls did not end");
  // Nothing breaks any more: whatever is still held comes to its end.
  healing_ = true;
  run_until(clock_.now() + 3s, [] { return false; });
  check_nothing_is_held("after all calls have ended", false);
  for (const auto& service : services_) {
    if (failure_.empty()) call_again(service.name);
    run_until(clock_.now() + kLongestDeadline + kGrace, [this] { return calls_to_end_ == 0; });
  }
  if (failure_.empty()) all_leave();
  run_until(clock_.now() + 1s, [] { return false; });
  check_nothing_is_held("after all have gone", true);
  if (failure_.empty()) check_the_end();
  return failure_;
}

// Whatever has happened: what has workers, serves.
void World::call_again(const std::string& service) {
  if (std::none_of(workers_.begin(), workers_.end(), [&](const auto& worker) {
        return worker->alive() && worker->spec().service.name == service;
      })) {
    return;
  }
  ClientHost& client = *clients_[calls_.size() % clients_.size()];
  CallRecord& record = calls_.emplace_back();
  record.client = client.name();
  record.echo = record.body = client.name() + ":again " + service;
  record.service = service;
  record.may_run_twice = record.is_last = true;
  record.call = std::make_shared<client::Call>();
  record.call->method = service + ".get";
  record.call->tail = test::body(record.body) + test::ext({});
  record.call->deadline = record.deadline = clock_.now() + kLongestDeadline;
  calls_to_end_ += 1;
  take_in(record, client);
}

void World::all_leave() {
  for (const auto& client : clients_) network_.close(*client, Duration(0));
  for (const auto& worker : workers_) network_.close(*worker, Duration(0));
  for (const auto& supervisor : supervisors_) network_.close(*supervisor, Duration(0));
}

void World::check_nothing_is_held(const std::string& when, bool peers_too) {
  if (!failure_.empty()) return;
  if (!broker_.up()) return fail("the broker did not come back");
  const auto sizes = broker_.core().sizes();
  const auto peers = peers_too ? sizes.peers : 0;
  if (sizes.requests + sizes.queued + sizes.in_flight + sizes.queued_bytes + sizes.flights + sizes.timers +
          peers ==
      0)
    return;
  fail(when + " the broker keeps " + std::to_string(sizes.requests) + " requests, " +
       std::to_string(sizes.queued) + " queued, " + std::to_string(sizes.in_flight) + " in flight, " +
       std::to_string(sizes.flights) + " flights, " + std::to_string(sizes.timers) + " timers, " +
       std::to_string(sizes.peers) + " peers");
}

void World::check_the_end() {
  for (const auto& client : clients_) {
    if (client->outstanding() != 0) fail(client->name() + " has calls outstanding");
    if (client->counters().malformed > 0) fail(client->name() + " got malformed messages");
    if (client->counters().protocol_errors > 0) fail(client->name() + " got PROTOCOL_ERROR");
    tally_.add("client.sent_again", client->counters().calls_sent_again);
    tally_.add("client.retries", client->counters().retries);
    tally_.add("client.hedges", client->counters().hedges);
    tally_.add("client.hedges_won", client->counters().hedges_won);
    tally_.add("client.late_replies", client->counters().late_replies);
    tally_.add("client.late_replies", client->counters().late_replies);
  }
  for (const auto& record : calls_) {
    if (record.runs > 1 && !record.may_run_twice) fail(record.echo + " ran twice");
  }
  if (calm_) tally_.add("sim.calm_runs");
  broker_.crash();
}

}  // namespace samovar::sim
