#include "tests/sim/world.hpp"

namespace samovar::sim {

using namespace std::chrono_literals;

namespace {

std::string connection_of(broker::PeerId peer) {
  return std::to_string(broker::raw(peer)) + " ";
}

}  // namespace

BrokerHost::BrokerHost(World& world) : world_(world), random_(world.seed(), "broker") {}

void BrokerHost::start(broker::CoreConfig config) {
  world_.trace("the broker starts");
  core_ = std::make_unique<broker::Core>(std::move(config), world_.clock().now());
  wire_ = std::make_unique<broker::Wire>(*core_);
}

void BrokerHost::arrive(broker::Side side, broker::PeerId peer, broker::FramePtr frame,
                        broker::Frames attachments) {
  if (!up()) return;
  inbox_.push_back({side, peer, std::move(frame), std::move(attachments)});
  plan_turn(world_.clock().now() + random_.between(0us, 30us));
}

void BrokerHost::lost(broker::PeerId peer) {
  if (!up()) return;
  inbox_.push_back({{}, peer, nullptr, {}});
  plan_turn(world_.clock().now());
}

void BrokerHost::shutdown() {
  world_.trace("the broker shuts down");
  core_->handle(broker::event::Shutdown{}, world_.clock().now());
  plan_turn(world_.clock().now());
}

void BrokerHost::tally() {
  for (const auto& counter : broker::kCounters) {
    world_.tally().add("broker." + std::string(counter.name), core_->counters().*counter.value);
  }
}

void BrokerHost::crash() {
  world_.trace("the broker is gone");
  tally();
  inbox_.clear();
  arrivals_before_ = arrivals_;
  wire_.reset();
  core_.reset();
  turn_at_ = Time::max();
  turn_serial_ += 1;
  first_dispatches_.clear();
  requeued_to_.clear();
  dying_until_.clear();
  turns_ = {};
  asked_.clear();
  cancelled_.clear();
  sizes_ = {};
  queued_again_ = 0;
  world_.network().broker_down();
}

void BrokerHost::pause(Duration length) {
  world_.trace("the broker is stopped for a while");
  paused_until_ = world_.clock().now() + length;
}

// One turn at a time is planned: the earliest that was asked for.
void BrokerHost::plan_turn(Time at) {
  at = std::max(at, paused_until_);
  if (turn_at_ <= at) return;
  turn_at_ = at;
  world_.clock().at(at, [this, serial = ++turn_serial_] {
    if (serial == turn_serial_) turn();
  });
}

void BrokerHost::turn() {
  const Time now = world_.clock().now();
  turn_at_ = Time::max();
  if (now < paused_until_) return plan_turn(paused_until_);
  for (auto inbox = std::exchange(inbox_, {}); const auto& arrived : inbox) {
    if (arrived.frame) {
      saw_arrival(arrived);
      wire_->receive(arrived.side, arrived.peer, arrived.frame, arrived.attachments, now);
    } else {
      const auto at = epochs_.find(arrived.peer);
      if (at != epochs_.end()) dying_until_[at->second] = now + limits::kObituaryWait;
      const auto connection = connection_of(arrived.peer);
      turns_.forget(connection);
      std::erase_if(asked_, [&](const auto& asked) { return asked.first.first == arrived.peer; });
      std::erase_if(new_, [&](const CallRecord* record) { return record->line.starts_with(connection); });
      core_->handle(broker::event::PeerLost{arrived.peer}, now);
    }
  }
  core_->tick(now);
  std::erase_if(dying_until_, [&](const auto& dying) {
    return dying.second <= now && buried_.emplace(dying.first, now).second;
  });
  if (const char* broken = core_->check_invariants())
    return world_.fail(std::string("an invariant broke: ") + broken);
  core_->outbox().take_notes();
  check_limits();
  auto messages = core_->outbox().take_messages();
  if (!world_.shares()) saw_answers(messages);
  saw_dispatches(messages);
  check_early_ends(messages);
  for (auto& message : messages) world_.network().send(std::move(message));
  if (const auto next = core_->next_deadline()) plan_turn(std::max(*next, now));
}

void BrokerHost::saw_arrival(const Arrived& arrived) {
  proto::Head head;
  if (proto::decode_head(arrived.frame->bytes(), head)) return;
  if (head.kind == static_cast<std::uint64_t>(proto::Kind::obituary)) {
    proto::Obituary obituary;
    if (!proto::decode(arrived.frame->bytes(), obituary)) obituaries_.insert(obituary.worker_epoch);
  }
  if (arrived.side != broker::Side::frontend) return;
  if (head.kind == static_cast<std::uint64_t>(proto::Kind::cancel)) {
    std::vector<std::uint64_t> ids;
    if (proto::decode_ids(arrived.frame->bytes(), ids)) return;
    for (const auto id : ids) cancelled_.emplace_back(arrived.peer, id);
  }
  if (head.kind != static_cast<std::uint64_t>(proto::Kind::request)) return;
  std::uint64_t sent_us = 0;
  std::vector<proto::RequestItem> items;
  if (proto::decode_requests(arrived.frame->bytes(), arrived.attachments.size(), sent_us, items)) return;
  for (const auto& item : items) {
    CallRecord* record = world_.find(test::text_of_body(item.body));
    if (!record) continue;
    // By connection: the broker may hold calls of one that has broken and of the next.
    turns_.forget(*record);
    record->turn_class = record->service + " " + std::to_string(static_cast<int>(item.priority));
    record->line = connection_of(arrived.peer) + record->turn_class;
    asked_[{arrived.peer, item.id}] = record;
    new_.push_back(record);
    record->sent_again = record->arrival > arrivals_before_;
    record->arrival = ++arrivals_;
    record->dispatched = false;
  }
}

void BrokerHost::saw_answers(const std::vector<broker::Message>& messages) {
  for (const auto& message : messages) {
    if (message.side != broker::Side::frontend) continue;
    for (const auto& reply : test::hear(message).replies) {
      const auto at = asked_.find({message.peer, reply.id});
      if (at == asked_.end()) continue;
      turns_.ended(*at->second);
      std::erase(new_, at->second);
    }
  }
}

// Beyond the limits there is only what is queued again, be it in the place of an equal call.
void BrokerHost::check_limits() {
  const auto before = std::exchange(sizes_, core_->sizes());
  const auto& counters = core_->counters();
  const auto again = counters.requeued + counters.retried;
  if (std::exchange(queued_again_, again) != again || world_.shares()) return;
  if (sizes_.longest_queue > std::max(world_.max_queued(), before.longest_queue))
    return world_.fail("a queue is longer than its limit");
  if (sizes_.largest_queue_bytes > std::max(world_.max_queued_bytes(), before.largest_queue_bytes))
    return world_.fail("a queue has more bytes than its limit");
}

// What a client cancels ends at once. What the broker ends while it runs, its worker is told of: here, if it is a stream.
void BrokerHost::check_early_ends(const std::vector<broker::Message>& messages) {
  std::set<std::uint64_t> told;  // dispatch ids
  std::vector<const CallRecord*> ended;
  for (const auto& message : messages) {
    const test::Heard heard = test::hear(message);
    if (message.side == broker::Side::backend) told.insert(heard.cancelled.begin(), heard.cancelled.end());
    for (const auto& reply : heard.replies) {
      const auto asked = asked_.extract({message.peer, reply.id});
      if (asked.empty() || !asked.mapped()->is_stream()) continue;
      const bool may_run = reply.status == Status::cancelled || reply.status == Status::deadline_exceeded ||
                           reply.status == Status::internal;
      proto::ErrorValue error;
      if (!may_run || proto::decode_error(reply.value, error)) continue;
      if (error.where != "queued" && error.where != "worker") ended.push_back(asked.mapped());
    }
  }
  for (const auto& cancelled : std::exchange(cancelled_, {})) {
    const auto asked = asked_.find(cancelled);
    if (asked != asked_.end())
      return world_.fail("the broker did not end " + asked->second->echo + ", which its caller cancelled");
  }
  for (const CallRecord* record : ended) {
    const auto epoch = record->worker_epoch;
    const bool is_lost =
        obituaries_.contains(epoch) || dying_until_.contains(epoch) || buried_.contains(epoch);
    if (record->sent_again || is_lost || told.contains(record->dispatch_id)) continue;
    return world_.fail("the worker that runs " + record->echo +
                       " was not told that nobody wants it any more");
  }
}

// In the order in which the core decided: its messages are one for each worker.
void BrokerHost::saw_dispatches(const std::vector<broker::Message>& messages) {
  std::map<std::uint64_t, std::pair<const broker::Message*, CallRecord*>> dispatches;  // by id
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint8_t>> heads;  // by id: epoch, attempt
  for (const auto& message : messages) {
    if (message.side != broker::Side::backend) continue;
    const test::Heard heard = test::hear(message);
    if (heard.malformed)
      return world_.fail(std::string("the broker sent a malformed message: ") + heard.malformed);
    if (heard.kind == proto::Kind::hello) epochs_[message.peer] = heard.epoch;
    for (const auto& item : heard.requests) {
      const auto body = test::text_of_body(item.body);
      world_.dispatched(body, heard.epoch);
      if (World::is_shared(body)) continue;
      CallRecord* record = world_.find(body);
      if (!record) return world_.fail("the broker dispatched a request that nobody made");
      dispatches[item.id] = {&message, record};
      heads[item.id] = {heard.epoch, item.attempt};
    }
  }
  for (const auto& [id, dispatch] : dispatches) {
    const auto [epoch, attempt] = heads.at(id);
    if (!world_.shares()) turns_.dispatched(*dispatch.second);
    saw_dispatch(*dispatch.second, id, epoch, attempt);
    world_.trace("dispatch ", dispatch.second->echo, " attempt ", int{attempt}, " id ", id & 0xffff'ffff,
                 " to peer ", broker::raw(dispatch.first->peer));
  }
  turns_.over();
  for (const CallRecord* record : std::exchange(new_, {})) {
    if (!record->dispatched) turns_.waits(*record);
  }
  if (!turns_.broken().empty()) world_.fail(turns_.broken());
}

// Nothing expired is dispatched, and what is queued again keeps its place.
void BrokerHost::saw_dispatch(CallRecord& record, std::uint64_t id, std::uint64_t epoch,
                              std::uint8_t attempt) {
  const Time now = world_.clock().now();
  // The wire counts in microseconds.
  if (now >= record.deadline + 1us) return world_.fail(record.echo + " was dispatched after its deadline");
  if (record.sent_again) {
    // The one sent before may still be here, under the old connection: nothing tells the two apart.
  } else if (record.dispatched) {
    auto& last = requeued_to_[{record.worker_epoch, record.line}];
    if (record.dispatch_id < last)
      return world_.fail(record.echo + " was queued again behind a later one of its worker");
    last = record.dispatch_id;
    const auto buried = buried_.find(record.worker_epoch);
    for (const auto& first : first_dispatches_[record.line]) {
      if (buried != buried_.end() && first.time > buried->second && first.arrival > record.arrival) {
        return world_.fail(record.echo + " was queued again behind one that came later");
      }
    }
  } else {
    first_dispatches_[record.line].push_back({now, record.arrival});
  }
  record.dispatched = true;
  record.dispatch_id = id;
  record.attempt = attempt;
  record.worker_epoch = epoch;
}

}  // namespace samovar::sim
