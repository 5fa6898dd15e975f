// The real client session; only its socket is not real.
#include "tests/sim/world.hpp"

namespace samovar::sim {

using namespace std::chrono_literals;

namespace {

const std::string kEndpoint = "sim://broker";

client::SessionConfig session_config(const std::string& name, std::uint64_t seed) {
  client::SessionConfig config;
  config.name = name;
  config.clock = "sim";
  config.nonce_seed = seed % 1'000'000;
  config.id_seed = static_cast<std::uint32_t>(seed);
  return config;
}

Buffer buffer(const broker::FramePtr& frame) {
  return Buffer(frame, frame->bytes());
}

}  // namespace

ClientHost::ClientHost(World& world, std::string name)
    : Peer(world, name, broker::Side::frontend), random_(world.seed(), "client " + name) {
  begin();
}

void ClientHost::begin() {
  session_.emplace(session_config(name_, random_.next()), kEndpoint);
  epoch_is_over();
  sent_.clear();
  lives_ += 1;
}

void ClientHost::crash() {
  if (paused_) return;
  world_.trace(name_, " crashes, and begins anew");
  world_.tally().add("sim.client_crashes");
  world_.abandon_calls(*this);
  begin();
  world_.network().close(*this, Duration(0));
  world_.network().connect(*this);
}

void ClientHost::pause(Duration length) {
  if (paused_) return;
  world_.trace(name_, " is stopped for a while");
  world_.tally().add("sim.client_pauses");
  paused_ = true;
  world_.clock().after(length, [this] {
    world_.trace(name_, " goes on");
    resumed_ = world_.clock().now();
    for (const auto& act : std::exchange(todo_, {})) act();
    paused_ = false;
    pump();
  });
}

void ClientHost::run(std::function<void()> act) {
  if (paused_) {
    todo_.push_back(std::move(act));
  } else {
    act();
  }
}

void ClientHost::connected() {
  run([this] {
    epoch_is_over();
    session_->connected(world_.clock().now());
    pump();
  });
}

void ClientHost::disconnected() {
  run([this] {
    world_.connection_lost(name_);
    epoch_is_over();
    session_->disconnected(world_.clock().now());
    pump();
  });
}

void ClientHost::message(const broker::Message& message) {
  run([this, message] {
    const test::Heard truth = test::hear(message);
    const bool lies = world_.lies() && random_.chance(0.5);
    if (lies) lie_before(truth);
    hear(message.frame, message.attachments);
    heard(truth);
    if (lies) lie_after(truth);
    pump();
  });
}

void ClientHost::hear(const std::string& frame, const broker::Frames& attachments) {
  std::vector<Buffer> buffers;
  for (const auto& attachment : attachments) buffers.push_back(buffer(attachment));
  session_->message(Buffer(frame), buffers, world_.clock().now());
}

void ClientHost::heard(const test::Heard& heard) {
  if (heard.kind == proto::Kind::register_again) epoch_is_over();
  if (heard.kind == proto::Kind::drain && heard.epoch == epoch_) broker_drains_ = true;
  for (const auto& item : heard.replies) sent_[item.id].epoch = 0;  // what may be left of the call is here
  if (heard.kind == proto::Kind::hello && epoch_ == 0 && session_->state() == client::LinkState::ready)
    epoch_ = heard.epoch;
}

void ClientHost::epoch_is_over() {
  epoch_ = 0;
  broker_drains_ = false;
  cancelled_.clear();
}

void ClientHost::said(const broker::Message& message) {
  const test::Heard said = test::hear(message);
  for (const auto id : said.cancelled) cancelled_.erase(id);
  for (const auto& item : said.requests) sent_[item.id] = {said.epoch, item.attempt};
  if (broker_drains_ && !said.requests.empty()) world_.fail(name_ + " sent calls to a broker that goes away");
}

// What no broker says, and what must count for nothing: the answer to another HELLO, replies under another epoch, to an
// earlier attempt, and to calls that have ended.
void ClientHost::lie_before(const test::Heard& truth) {
  if (truth.kind == proto::Kind::hello && epoch_ == 0) {
    auto hello = truth.hello;
    hello.nonce -= 1;
    hear(proto::encode(truth.epoch - 1, hello));
    if (session_->state() == client::LinkState::ready)
      world_.fail(name_ + " took an answer to another HELLO for its own");
  }
  const auto forged = test::str("forged") + test::ext({});
  for (const auto& item : truth.replies) {
    hear(test::encode_replies(truth.epoch - 1, {{item.id, item.attempt, Status::ok, 1, forged}}));
    const auto attempt = sent_[item.id].attempt;
    if (attempt < 2) continue;
    hear(test::encode_replies(truth.epoch,
                              {{item.id, static_cast<std::uint8_t>(attempt - 1), Status::ok, 1, forged}}));
    world_.tally().add("sim.replies_to_earlier_attempts");
  }
}

void ClientHost::lie_after(const test::Heard& truth) {
  const auto forged = test::str("forged") + test::ext({});
  for (const auto& item : truth.replies)
    hear(test::encode_replies(truth.epoch, {{item.id, item.attempt, Status::ok, 1, forged}}));
}

void ClientHost::submit(CallRecord& record) {
  record.life = lives_;
  session_->submit(record.call, world_.clock().now());
  if (random_.chance(0.7)) return pump();
  world_.clock().after(random_.between(0us, 300us), [this] { pump(); });
}

void ClientHost::cancel(CallRecord& record) {
  run([this, &record] {
    if (record.life != lives_) return;
    world_.trace(name_, " cancels ", record.echo);
    record.cancelled = true;
    const auto outstanding = session_->outstanding();
    session_->cancel(record.call->id);
    const auto id = static_cast<std::uint64_t>(record.call->id);
    if (session_->outstanding() < outstanding && epoch_ != 0 && sent_[id].epoch == epoch_)
      cancelled_.insert(id);
    pump();
  });
}

void ClientHost::widen(CallRecord& record, std::uint64_t window) {
  run([this, &record, window] {
    if (record.life != lives_ || record.outcomes > 0) return;
    record.window = std::max(record.window, window);
    session_->widen(record.call->id, window);
    pump();
  });
}

// What the transport does whenever something has happened.
void ClientHost::pump() {
  const Time now = world_.clock().now();
  if (paused_) return;
  session_->tick(now);
  client::Message message;
  bool all_said = true;
  while (session_->next_message(now, message)) {
    broker::Frames attachments;
    for (const auto& attachment : message.attachments)
      attachments.push_back(test::frame(std::string(attachment.bytes())));
    broker::Message copy;
    copy.frame = message.frame;
    copy.attachments = attachments;
    const bool socket_is_full = random_.chance(0.02) && world_.takes("full sockets");
    all_said =
        !socket_is_full && world_.network().send(*this, std::move(message.frame), std::move(attachments));
    if (!all_said) {
      session_->not_sent();
      if (link_) world_.clock().after(random_.between(10us, 2ms), [this] { pump(); });
      break;
    }
    said(copy);
  }
  if (all_said && !cancelled_.empty()) world_.fail(name_ + " did not tell its broker what was cancelled");
  for (const auto& completion : session_->take_completions()) {
    if (completion.is_item) {
      world_.arrived(completion, *this);
    } else {
      world_.completed(completion, *this);
    }
  }
  if (const auto next = session_->next_deadline()) {
    world_.clock().at(*next, [this, serial = ++wake_serial_] {
      if (serial == wake_serial_) pump();
    });
  }
}

}  // namespace samovar::sim
