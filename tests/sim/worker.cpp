#include "tests/sim/schemas.hpp"
#include "tests/sim/world.hpp"

namespace samovar::sim {

using namespace std::chrono_literals;

Worker::Worker(World& world, const WorkerSpec& spec)
    : Peer(world, spec.name(), broker::Side::backend),
      spec_(spec),
      random_(world.seed(), name_),
      credit_(random_.pick<std::uint32_t>({1, 2, 4, 16, 256})),
      concurrency_(random_.pick<std::uint32_t>({1, 1, 1, 2, 8})),
      flush_every_(random_.pick<std::size_t>({1, 2, 8, 64})) {}

void Worker::connected() {
  if (!paused_) hello();
}

void Worker::disconnected() {
  drop_epoch();
  leave_when_done();
}

void Worker::hello() {
  if (draining_) return;  // it will not be back
  proto::PeerHello hello;
  hello.role = proto::Role::worker;
  hello.nonce = ++nonce_;
  hello.name = name_;
  hello.clock = "sim";
  world_.network().send(*this, proto::encode(0, hello));
}

// What it has not started is dropped, and the results of what it has are discarded.
void Worker::drop_epoch() {
  if (epoch_ != 0 && !drained_) world_.worker_lost(spec_.service.name);
  if (epoch_ != 0 && held() > 0) world_.worker_lost(spec_.service.name);
  epoch_ = 0;
  if (nonce_ > 0) ++nonce_;  // an answer to its HELLO that is yet to be read counts no more
  queue_.clear();
  results_.clear();
  drained_ = draining_;
  wake_streams();
}

std::size_t Worker::held() const {
  std::size_t running = 0;
  for (const auto& [run, item] : running_) running += item.epoch == epoch_ ? 1 : 0;
  return queue_.size() + results_.size() + running;
}

void Worker::message(const broker::Message& message) {
  if (!alive_) return;
  if (paused_) {
    unread_.push_back(message);
  } else {
    take(message);
  }
}

void Worker::take(const broker::Message& message) {
  const test::Heard heard = test::hear(message);
  if (heard.malformed) return world_.fail("a worker got a malformed message");
  switch (heard.kind) {
    case proto::Kind::hello: {
      if (epoch_ != 0 || heard.hello.nonce != nonce_) return;
      epoch_ = last_epoch_ = heard.epoch;
      last_started_ = 0;
      proto::Ready ready;
      ready.service = spec_.service.name;
      ready.methods["get"].idempotent = true;
      ready.methods["put"].idempotent = false;
      ready.methods["look"].pure = true;
      ready.methods["scan"].stream = true;
      ready.schema_hash = workers_schema().hash;
      ready.schema = workers_schema().packed;
      ready.concurrency = concurrency_;
      ready.uid = random_.below(4);  // equal ones, too
      ready.brokers = random_.pick<std::uint32_t>({1, 1, 3});
      ready.credit = credit_;
      ready.name = name_;
      if (spec_.supervisor) ready.supervisor = spec_.supervisor->token();
      world_.network().send(*this, proto::encode(epoch_, ready));
      if (draining_) world_.network().send(*this, proto::encode(proto::Kind::drain, epoch_, proto::Notice{}));
      break;
    }
    case proto::Kind::register_again:
      if (epoch_ == 0) return;
      drop_epoch();
      hello();
      leave_when_done();
      break;
    case proto::Kind::request: {
      if (heard.epoch != epoch_) return;
      if (drained_) return world_.fail(name_ + " got a request after DRAINED");
      std::size_t taken = 0;
      for (const auto& request : heard.requests) {
        Item item;
        item.epoch = epoch_;
        item.id = request.id;
        item.attempt = request.attempt;
        item.echo = test::text_of_body(request.body);
        item.method = request.method;
        item.deadline = Time(std::chrono::microseconds(heard.sent_us + request.timeout_us));
        item.attachments = request.attachments;
        item.is_stream = (request.flags & proto::kStream) != 0;
        item.window = request.window;
        for (std::uint32_t i = 0; i < request.attachments; ++i) {
          if (message.attachments[taken++]->bytes() != item.echo + "#" + std::to_string(i)) {
            return world_.fail(item.echo + " came with the attachments of another");
          }
        }
        queue_.push_back(std::move(item));
      }
      if (held() > credit_) return world_.fail(name_ + " holds more than its credit");
      if (world_.lies() && random_.chance(0.5)) lie();
      if (queue_.size() > 2 && random_.chance(world_.fault_rate() / 5) && world_.takes("sudden crashes")) {
        world_.clock().after(random_.between(1us, 100us), [this] { crash(); });
      }
      run_next();
      break;
    }
    case proto::Kind::window:
      if (heard.epoch == epoch_) widened(heard.windows);
      break;
    case proto::Kind::cancel:
      if (heard.epoch == epoch_) cancelled(heard.cancelled);
      break;
    case proto::Kind::drained:
      if (heard.epoch != epoch_) return;
      drained_ = true;
      leave_when_done();
      break;
    case proto::Kind::protocol_error:
      return world_.fail(name_ + " got PROTOCOL_ERROR: " + heard.error.message);
    default: break;
  }
}

void Worker::run_next() {
  while (running_.size() < concurrency_ && !paused_ && alive_) {
    if (queue_.empty()) {
      if (running_.empty()) flush();
      return leave_when_done();
    }
    Item item = std::move(queue_.front());
    queue_.pop_front();
    if (world_.clock().now() >= item.deadline) {
      answer(item, Status::deadline_exceeded, 0);
      continue;
    }
    if (item.cancelled) {
      answer(item, Status::cancelled, 0);
      continue;
    }
    last_started_ = item.id;
    world_.began(item.echo, name_);
    item.began = world_.clock().now();
    const std::uint64_t run = ++runs_;
    const bool is_stream = running_.emplace(run, std::move(item)).first->second.is_stream;
    if (is_stream) {
      stream_on(run);
      continue;
    }
    const auto slowest = random_.chance(0.05) ? 3 * spec_.service.slowest : spec_.service.slowest;
    finish_in(random_.between(1us, slowest), run);
  }
}

void Worker::finish_in(Duration delay, std::uint64_t run) {
  world_.clock().after(delay, [this, run] {
    if (!alive_) return;
    if (paused_) {
      finished_while_paused_.push_back(run);
    } else {
      finished(run);
    }
  });
}

void Worker::finished(std::uint64_t run) {
  if (running_.at(run).is_stream) return step_stream(run);
  end(run, random_.chance(0.05) ? Status::app_error : Status::ok);
}

void Worker::end(std::uint64_t run, Status status) {
  const Item item = std::move(running_.extract(run).mapped());
  const auto run_us = broker::to_us(world_.clock().now() - item.began);
  if (item.epoch == epoch_) answer(item, status, run_us);
  run_next();
}

void Worker::answer(const Item& item, Status status, std::uint64_t run_us) {
  Result result;
  result.reply.id = item.id;
  result.reply.attempt = item.attempt;
  result.reply.status = status;
  result.reply.run_us = run_us;
  if (run_us > 0 || status == Status::ok)
    world_.broker().ran(spec_.service.name, std::max(0.5, static_cast<double>(run_us)));
  const std::uint64_t attachments = status == Status::ok && !item.is_stream ? item.attachments : 0;
  proto::ErrorValue error;
  error.message = item.echo;
  error.where = status == Status::deadline_exceeded ? "queued" : "worker";
  result.reply.tail = status != Status::ok ? proto::encode_error(error)
                      : item.is_stream     ? std::string(proto::kNil)
                                           : test::str(item.echo);
  result.reply.tail +=
      test::ext(attachments ? std::map<std::string, std::uint64_t>{{"attachments", attachments}}
                            : std::map<std::string, std::uint64_t>{});
  for (std::uint64_t i = 0; i < attachments; ++i) {
    result.attachments.push_back(test::frame(item.echo + "#" + std::to_string(i)));
  }
  results_.push_back(std::move(result));
  if (results_.size() >= flush_every_) flush();
}

void Worker::flush() {
  if (results_.empty()) return;
  std::vector<test::ReplySpec> replies;
  broker::Frames attachments;
  for (auto& result : results_) {
    replies.push_back(std::move(result.reply));
    attachments.insert(attachments.end(), result.attachments.begin(), result.attachments.end());
  }
  results_.clear();
  const bool twice = world_.lies() && random_.chance(0.2);
  world_.network().send(*this, test::encode_replies(epoch_, replies), attachments);
  if (twice) world_.network().send(*this, test::encode_replies(epoch_, replies), attachments);
}

// A worker that breaks the protocol: none of these replies may reach a caller.
void Worker::lie() {
  const auto forged = test::str("forged") + test::ext({});
  std::vector<test::ReplySpec> replies;
  for (int i = 0; i < 8; ++i) {
    const CallRecord* victim = world_.any_call(random_);
    // About its own it may say what it likes; another run of the broker may have given it the same id.
    if (!victim->dispatched || victim->worker_epoch == epoch_ || victim->worker_epoch >> 32 != epoch_ >> 32)
      continue;
    replies.push_back({victim->dispatch_id, victim->attempt, Status::ok, 1, forged});
  }
  for (const auto& item : queue_) {
    replies.push_back({item.id, static_cast<std::uint8_t>(item.attempt + 1), Status::ok, 1, forged});
  }
  if (!replies.empty()) world_.network().send(*this, test::encode_replies(epoch_, replies));
  if (!queue_.empty() && random_.chance(0.1)) {
    const auto& item = queue_.front();
    world_.network().send(*this,
                          test::encode_replies(epoch_ - 1, {{item.id, item.attempt, Status::ok, 1, forged}}));
  }
}

void Worker::crash() {
  if (!alive_) return;
  world_.trace(name_, " crashes", " running ", running_.size(), ", holding ", held());
  world_.died(last_epoch_);
  world_.worker_lost(spec_.service.name);
  world_.tally().add("sim.crashes");
  alive_ = false;
  const bool forked = random_.chance(0.15);
  world_.network().close(*this, forked ? random_.between(1ms, 500ms) : Duration(0));
  if (spec_.supervisor) spec_.supervisor->reap(*this, true);
  world_.spawn_later(spec_.next());
}

void Worker::pause(Duration length) {
  if (!alive_ || paused_) return;
  world_.trace(name_, " is stopped for a while");
  world_.tally().add("sim.pauses");
  paused_ = true;
  const auto link = link_;
  const bool greeted_link = nonce_ > 0 && link != nullptr;
  world_.clock().after(length, [this, link, greeted_link] {
    if (!alive_) return;
    paused_ = false;
    if (link_ && (link_ != link || !greeted_link)) hello();  // it has connected anew meanwhile
    for (auto unread = std::exchange(unread_, {}); const auto& message : unread) {
      if (alive_) take(message);
    }
    for (const auto run : std::exchange(finished_while_paused_, {})) {
      if (alive_) finished(run);
    }
    run_next();
  });
}

void Worker::drain() {
  if (!alive_ || draining_ || paused_) return;
  world_.trace(name_, " drains");
  world_.tally().add("sim.drains");
  draining_ = true;
  if (nonce_ == 0 || !link_) {
    drained_ = true;
    return leave_when_done();
  }
  if (epoch_ != 0) world_.network().send(*this, proto::encode(proto::Kind::drain, epoch_, proto::Notice{}));
}

void Worker::leave_when_done() {
  if (!drained_ || !running_.empty() || !queue_.empty() || paused_ || !alive_) return;
  flush();
  world_.trace(name_, " has drained and leaves");
  alive_ = false;
  world_.network().close(*this, Duration(0));
  if (spec_.supervisor && random_.chance(0.5)) spec_.supervisor->reap(*this, false);
  world_.spawn_later(spec_.next());
}

// --- its supervisor ----------------------------------------------------------------------------------------

Supervisor::Supervisor(World& world, std::string name, ServiceSpec service)
    : Peer(world, std::move(name), broker::Side::backend),
      service_(std::move(service)),
      random_(world.seed(), name_) {}

void Supervisor::start() {
  world_.network().connect(*this);
  say(proto::PoolState::loading);
  world_.clock().after(random_.between(1ms, 50ms), [this, life = lives_] {
    if (life == lives_) say(proto::PoolState::serving);
  });
}

// Its workers do not outlive it, and nobody tells what they died of.
void Supervisor::crash() {
  world_.trace(name_, " crashes, and its workers with it");
  world_.tally().add("sim.supervisor_crashes");
  world_.crash_workers_of(*this);
  lives_ += 1;
  epoch_ = 0;
  unsent_.clear();
  world_.network().close(*this, Duration(0));
  start();
}

void Supervisor::connected() {
  hello();
}

void Supervisor::hello() {
  proto::PeerHello hello;
  hello.role = proto::Role::supervisor;
  hello.nonce = ++nonce_;
  hello.token = token();
  world_.network().send(*this, proto::encode(0, hello));
}

void Supervisor::message(const broker::Message& message) {
  const test::Heard heard = test::hear(message);
  if (heard.kind == proto::Kind::protocol_error)
    return world_.fail(name_ + " got PROTOCOL_ERROR: " + heard.error.message);
  if (heard.kind == proto::Kind::register_again && epoch_ != 0) {
    epoch_ = 0;
    hello();
  }
  if (heard.kind != proto::Kind::hello || epoch_ != 0 || heard.hello.nonce != nonce_) return;
  epoch_ = heard.epoch;
  say(state_);
  for (const auto& obituary : std::exchange(unsent_, {}))
    world_.network().send(*this, proto::encode(epoch_, obituary));
}

void Supervisor::say(proto::PoolState state) {
  state_ = state;
  if (epoch_ == 0) return;
  proto::Pool pool;
  pool.service = service_.name;
  pool.state = state;
  pool.reason = state == proto::PoolState::failed ? "it crashed too often" : "";
  world_.network().send(*this, proto::encode(epoch_, pool));
}

void Supervisor::reap(const Worker& worker, bool crashed) {
  if (worker.epoch() == 0) return;
  proto::Obituary obituary;
  obituary.worker_epoch = worker.epoch();
  if (crashed) {
    obituary.signal = 9;
  } else {
    obituary.exit_code = 0;
  }
  if (random_.chance(0.9)) {
    obituary.last_started = worker.last_started();
    obituary.running = worker.was_running();
  }
  world_.clock().after(random_.between(10us, random_.chance(0.1) ? 140ms : 5ms),
                       [this, obituary, life = lives_] {
                         if (life != lives_) return;
                         if (epoch_ == 0) {
                           unsent_.push_back(obituary);
                         } else {
                           world_.network().send(*this, proto::encode(epoch_, obituary));
                         }
                       });
}

}  // namespace samovar::sim
