#include "broker/core/core.hpp"

#include <cassert>
#include <utility>

#include "broker/core/errors.hpp"
#include "proto/codec.hpp"
#include "proto/control.hpp"

namespace samovar::broker {
namespace {

// Dispatch ids and epochs start here, so that they have the same width on the wire all their life.
constexpr std::uint64_t kWide = std::uint64_t{1} << 32;

constexpr auto kDesertedEvery = std::chrono::milliseconds(5);

template <typename Table>
auto* find_in(const Table& table, PeerId peer) {
  const auto at = table.find(raw(peer));
  return at == table.end() ? nullptr : at->second.get();
}

}  // namespace

Core::Core(CoreConfig config, TimePoint now)
    : config_(std::move(config)),
      started_(now),
      dispatch_serial_(kWide),
      in_flight_(config_.secret),
      quarantine_(config_.secret, config_.quarantine_after),
      traces_(config_.traces) {
  for (const auto& name : config_.services) {
    Service* service = add_service(name);
    service->known = true;
    service->configured = true;
  }
}

Core::~Core() = default;

// --- peers ---------------------------------------------------------------------------------------------

Epoch Core::next_epoch() {
  return static_cast<Epoch>(config_.instance * kWide + ++epoch_serial_);
}

void Core::handle(const event::Hello& event, TimePoint now) {
  const auto& hello = event.hello;
  counters_.hellos += 1;
  forget_peer(event.peer, now);
  if ((hello.role == proto::Role::client) != (event.side == Side::frontend)) {
    return refuse(event.side, event.peer,
                  event.side == Side::frontend
                      ? "this is the frontend, for clients: connect workers to a backend endpoint"
                      : "this is the backend, for workers: connect clients to a frontend endpoint",
                  now);
  }
  if (may_not_greet(event.side, event.peer, now)) return;
  if (clients_.size() + workers_.size() + supervisors_.size() >= limits::kMaxPeers) {
    return refuse(event.side, event.peer, "this broker has as many peers as it takes", now);
  }

  const Epoch epoch = next_epoch();
  switch (hello.role) {
    case proto::Role::client: {
      auto client = std::make_unique<Client>(config_.secret);
      client->peer = event.peer;
      client->epoch = epoch;
      client->name = hello.name;
      if (config_.secured) client->grant = grants_[raw(event.peer)];
      client->same_clock = !hello.clock.empty() && hello.clock == config_.clock;
      clients_[raw(event.peer)] = std::move(client);
      break;
    }
    case proto::Role::worker: {
      if (workers_.size() >= limits::kMaxWorkers) {
        return refuse(event.side, event.peer, "this broker has as many workers as it takes", now);
      }
      auto worker = std::make_unique<Worker>();
      worker->peer = event.peer;
      worker->epoch = epoch;
      worker->pid = hello.pid;
      worker->name = hello.name;
      workers_by_epoch_[raw(epoch)] = worker.get();
      workers_[raw(event.peer)] = std::move(worker);
      break;
    }
    case proto::Role::supervisor: {
      auto supervisor = std::make_unique<Supervisor>();
      supervisor->peer = event.peer;
      supervisor->epoch = epoch;
      supervisor->name = hello.name.empty() ? hello.token : hello.name;
      supervisor->pid = hello.pid;
      supervisor->token = hello.token;
      supervisors_[raw(event.peer)] = std::move(supervisor);
      break;
    }
  }
  proto::BrokerHello reply;
  reply.nonce = hello.nonce;
  reply.software = config_.software;
  reply.broker = config_.broker_id;
  reply.clock = config_.clock;
  reply.max_body = config_.max_body;
  reply.max_bundle = limits::kMaxBundle;
  reply.heartbeat_ms =
      static_cast<std::uint64_t>(std::chrono::milliseconds(limits::kHeartbeatInterval).count());
  reply.default_timeout_us = to_us(config_.default_timeout);
  reply.max_timeout_us = to_us(config_.max_timeout);
  outbox_.control(event.side, event.peer, proto::encode(raw(epoch), reply));
  if (draining_ && hello.role == proto::Role::client) say_drain(event.peer, epoch);
}

bool Core::check_epoch(Side side, PeerId peer, Epoch epoch, const Epoch* actual, TimePoint now) {
  if (actual && *actual == epoch) return true;
  if (!actual && side == Side::backend && (find_in(workers_, peer) || find_in(supervisors_, peer))) {
    refuse(side, peer, "a message that a peer of this role does not send", now);
    return false;
  }
  counters_.stale_epochs += 1;
  const char* reason = actual ? "this connection has another epoch" : "this connection has not said HELLO";
  complain(side, peer, proto::encode(proto::Kind::register_again, 0, proto::Notice{reason}), now);
  return false;
}

Client* Core::client_of(PeerId peer, Epoch epoch, TimePoint now) {
  Client* found = find_in(clients_, peer);
  return check_epoch(Side::frontend, peer, epoch, found ? &found->epoch : nullptr, now) ? found : nullptr;
}

Worker* Core::worker_of(PeerId peer, Epoch epoch, TimePoint now) {
  Worker* found = find_in(workers_, peer);
  return check_epoch(Side::backend, peer, epoch, found ? &found->epoch : nullptr, now) ? found : nullptr;
}

Supervisor* Core::supervisor_of(PeerId peer, Epoch epoch, TimePoint now) {
  Supervisor* found = find_in(supervisors_, peer);
  return check_epoch(Side::backend, peer, epoch, found ? &found->epoch : nullptr, now) ? found : nullptr;
}

// An answer to a message that was dropped. A peer that sends nothing else gets only some.
void Core::complain(Side side, PeerId peer, std::string frame, TimePoint now) {
  if (now - complaints_since_ >= limits::kComplaintsPer) {
    complaints_since_ = now;
    complaints_.clear();
  }
  if (++complaints_[raw(peer)] <= limits::kMaxComplaints) outbox_.complaint(side, peer, std::move(frame));
}

void Core::refuse(Side side, PeerId peer, std::string why, TimePoint now) {
  counters_.protocol_errors += 1;
  outbox_.note(Note::Level::warning, "protocol_error",
               std::string("protocol_error from ") + (side == Side::frontend ? "frontend" : "backend") +
                   " peer " + std::to_string(raw(peer)) + ": " + why);
  complain(side, peer, proto::encode(0, proto::ProtocolError{std::move(why), {}, {}}), now);
}

void Core::handle(const event::Malformed& event, TimePoint now) {
  if (!event.got_version) return refuse(event.side, event.peer, event.why, now);
  counters_.protocol_errors += 1;
  const std::string got = std::to_string(*event.got_version);
  outbox_.note(Note::Level::warning, "protocol_error", "a peer speaks version " + got + " of the protocol");
  proto::ProtocolError error;
  error.message = "version " + got + " of the protocol is not spoken here; this broker speaks version " +
                  std::to_string(proto::kVersion);
  error.got = event.got_version;
  error.speaks = {proto::kVersion};
  complain(event.side, event.peer, proto::encode(0, error), now);
}

void Core::handle(const event::PeerLost& event, TimePoint now) {
  grants_.erase(raw(event.peer));
  if (Worker* worker = find_in(workers_, event.peer)) {
    worker->connection_lost = true;
    return dying(*worker, now);
  }
  forget_peer(event.peer, now);
}

void Core::forget_peer(PeerId peer, TimePoint now) {
  if (Client* client = find_in(clients_, peer)) {
    client_gone(*client);
    forget_declared(*client);
    clients_.erase(raw(peer));
  }
  if (Worker* worker = find_in(workers_, peer)) bury(*worker, now);
  if (Supervisor* supervisor = find_in(supervisors_, peer)) {
    update_pool(*supervisor, std::nullopt, now);
    supervisors_.erase(raw(peer));
    errands_lose(peer, now);
    // Its workers that died have nobody left who could say why.
    std::vector<Worker*> mourned;
    for (const auto& [id, worker] : workers_) {
      if (worker->state == Worker::State::dying && !supervised(*worker)) mourned.push_back(worker.get());
    }
    for (Worker* worker : mourned) dying(*worker, now);
  }
}

// --- services ------------------------------------------------------------------------------------------

Service* Core::find_known(std::string_view name) {
  Service* service = find_service(name);
  return service && service->known ? service : nullptr;
}

Service* Core::find_service(std::string_view name) {
  const auto at = services_.find(name);
  return at == services_.end() ? nullptr : at->second.get();
}

Service* Core::add_service(std::string_view name) {
  if (Service* service = find_service(name)) return service;
  if (services_.size() >= limits::kMaxServices) return nullptr;
  auto service = std::make_unique<Service>(std::string(name));
  Service* added = service.get();
  services_.emplace(added->name, std::move(service));
  return added;
}

// One that nobody has announced, in the first seconds of this broker: it is forgotten unless a worker comes.
Service* Core::add_unknown_service(std::string_view name, TimePoint now) {
  Service* service = add_service(name);
  if (!service) return nullptr;
  service->deserted_since = now;
  timers_.set(service->deserted, now + config_.no_worker_grace);
  return service;
}

// After workers or pools of a service came or went: is somebody there to run its requests?
void Core::service_changed(Service& service, TimePoint now) {
  if (!service.is_deserted()) {
    timers_.cancel(service.deserted);
    dispatch(service, now);
  } else if (!service.deserted.is_set() && !service.queue.empty()) {
    service.deserted_since = now;
    timers_.set(service.deserted, service.failed.empty() ? now + config_.no_worker_grace : now);
  } else if (!service.failed.empty() && service.deserted.is_set()) {
    timers_.set(service.deserted, now);
  }
}

// Ends the requests that have waited long enough for a worker of a service that has none.
void Core::service_deserted(Service& service, TimePoint now) {
  if (!service.is_deserted()) return;
  proto::ErrorValue error;
  error.where = "queued";
  if (!service.failed.empty()) {
    error.message = "the pool of service '" + service.name + "' has failed: " + service.failed;
  } else if (service.known) {
    error.message = "service '" + service.name + "' has no worker at the moment; nothing ran, try again";
  } else {
    error.message =
        "service '" + service.name + "' is not known yet: the broker only just started; try again";
  }
  const TimePoint waited_since = service.failed.empty() ? now - config_.no_worker_grace : now;
  std::optional<TimePoint> next;
  for (Request* request : service.queue.all()) {
    if (std::max(request->queued_since, service.deserted_since) <= waited_since) {
      end_early(*request, Status::unavailable, error, now);
    } else {
      const TimePoint due = std::max(request->queued_since, service.deserted_since) + config_.no_worker_grace;
      next = next ? std::min(*next, due) : due;
    }
  }
  // Not one by one: a long queue is looked through at most every few milliseconds.
  if (next) timers_.set(service.deserted, std::max(*next, now + kDesertedEvery));
  if (!next && !service.known) services_.erase(service.name);
}

void Core::handle(const event::PoolFailed& event, TimePoint now) {
  Service* service = find_service(event.service);
  if (!service) return;
  // A supervisor knows better why than whoever saw it end.
  if (event.why.empty() || service->failed.empty()) service->failed = event.why;
  if (!service->failed.empty()) service->last_failed = service->failed;
  service_changed(*service, now);
}

void Core::handle(const event::RepliesDropped& event, TimePoint) {
  counters_.replies_dropped += event.count;
}

void Core::handle(const event::WallClock& event, TimePoint now) {
  wall_offset_us_ =
      static_cast<std::int64_t>(event.us) - static_cast<std::int64_t>(to_us(now.time_since_epoch()));
}

// --- time ----------------------------------------------------------------------------------------------

void Core::tick(TimePoint now) {
  while (Timer* timer = timers_.pop_due(now)) {
    switch (timer->kind()) {
      case Timer::Kind::request: deadline_passed(*static_cast<Request*>(timer->owner()), now); break;
      case Timer::Kind::stream: stream_idle(*static_cast<Request*>(timer->owner()), now); break;
      case Timer::Kind::service: service_deserted(*static_cast<Service*>(timer->owner()), now); break;
      case Timer::Kind::worker: bury(*static_cast<Worker*>(timer->owner()), now); break;
      case Timer::Kind::drain: {
        proto::ErrorValue error;
        error.message = "the broker was shut down while this ran; it may have run to its end";
        error.where = "running";
        for (Request* request : in_flight_.all()) {
          release(*request);
          if (request->client) settle(*request, Status::broker_lost, error, now);
          forget(*request);
        }
        break;
      }
    }
  }
}

void Core::say_drain(PeerId client, Epoch epoch) {
  const proto::Notice notice{"the broker is going away", true};
  outbox_.control(Side::frontend, client, proto::encode(proto::Kind::drain, raw(epoch), notice));
}

void Core::handle(const event::Shutdown&, TimePoint now) {
  if (draining_) return;
  draining_ = true;
  timers_.set(drain_timer_, now + config_.drain_grace);
  for (const auto& [peer, client] : clients_) say_drain(client->peer, client->epoch);
  proto::ErrorValue error;
  error.message = kGoingAway;
  error.where = "queued";
  for (const auto& [name, service] : services_) {
    for (Request* request : service->queue.all()) end_early(*request, Status::unavailable, error, now);
  }
  error.message = "the broker is going away; its supervisors may do it all the same";
  error.where = "running";
  for (const auto& [id, errand] : std::exchange(errands_, {})) {
    settle(*errand.request, Status::broker_lost, error, now);
    forget(*errand.request);
  }
}

void Core::handle(const event::Drained& event, TimePoint now) {
  Client* client = client_of(event.peer, event.epoch, now);
  if (client && draining_) client->drained = true;
}

bool Core::clients_drained() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& each) { return each.second->drained; });
}

Core::Sizes Core::sizes() const {
  Sizes sizes{};
  sizes.peers = clients_.size() + workers_.size() + supervisors_.size();
  sizes.requests = requests_.size();
  sizes.in_flight = in_flight_.size();
  sizes.timers = timers_.size();
  sizes.flights = flights_.size();
  sizes.grants = grants_.size();
  for (const auto& [name, service] : services_) {
    sizes.queued += service->queue.size();
    sizes.queued_bytes += service->queue.bytes();
    sizes.longest_queue = std::max(sizes.longest_queue, service->queue.size());
    sizes.largest_queue_bytes = std::max(sizes.largest_queue_bytes, service->queue.bytes());
  }
  return sizes;
}

}  // namespace samovar::broker
