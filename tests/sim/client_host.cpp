// The real client session; only its socket is not real.
#include "tests/sim/world.hpp"

namespace samovar::sim {

using namespace std::chrono_literals;

namespace {

client::SessionConfig session_config(const std::string& name, std::uint64_t seed) {
  client::SessionConfig config;
  config.endpoint = "sim://broker";
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
  session_.emplace(session_config(name_, random_.next()));
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
    session_->connected(world_.clock().now());
    pump();
  });
}

void ClientHost::disconnected() {
  run([this] {
    world_.connection_lost(name_);
    session_->disconnected(world_.clock().now());
    pump();
  });
}

void ClientHost::message(const broker::Message& message) {
  run([this, message] {
    std::vector<Buffer> attachments;
    for (const auto& frame : message.attachments) attachments.push_back(buffer(frame));
    session_->message(Buffer(message.frame), attachments, world_.clock().now());
    pump();
  });
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
    session_->cancel(record.call->id);
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
  while (session_->next_message(now, message)) {
    broker::Frames attachments;
    for (const auto& attachment : message.attachments)
      attachments.push_back(test::frame(std::string(attachment.bytes())));
    const bool socket_is_full = random_.chance(0.02) && world_.takes("full sockets");
    if (socket_is_full || !world_.network().send(*this, std::move(message.frame), std::move(attachments))) {
      session_->not_sent();
      if (link_) world_.clock().after(random_.between(10us, 2ms), [this] { pump(); });
      break;
    }
  }
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
