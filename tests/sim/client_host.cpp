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

ClientHost::ClientHost(World& world, std::string name, std::uint64_t seed)
    : Peer(world, name, broker::Side::frontend), session_(session_config(name, seed)), random_(seed) {}

void ClientHost::connected() {
  session_.connected(world_.clock().now());
  pump();
}

void ClientHost::disconnected() {
  world_.connection_lost(name_);
  session_.disconnected(world_.clock().now());
  pump();
}

void ClientHost::message(const broker::Message& message) {
  std::vector<Buffer> attachments;
  for (const auto& frame : message.attachments) attachments.push_back(buffer(frame));
  session_.message(Buffer(message.frame), attachments, world_.clock().now());
  pump();
}

void ClientHost::submit(CallRecord& record) {
  session_.submit(record.call, world_.clock().now());
  if (random_.chance(0.7)) return pump();
  world_.clock().after(random_.between(0us, 300us), [this] { pump(); });
}

void ClientHost::cancel(CallRecord& record) {
  world_.trace(name_, " cancels ", record.echo);
  record.cancelled = true;
  session_.cancel(record.call->id);
  pump();
}

void ClientHost::widen(CallRecord& record, std::uint64_t window) {
  record.window = std::max(record.window, window);
  session_.widen(record.call->id, window);
  pump();
}

// What the transport does whenever something has happened.
void ClientHost::pump() {
  const Time now = world_.clock().now();
  session_.tick(now);
  client::Message message;
  while (session_.next_message(now, message)) {
    broker::Frames attachments;
    for (const auto& attachment : message.attachments)
      attachments.push_back(test::frame(std::string(attachment.bytes())));
    const bool socket_is_full = random_.chance(0.02);
    if (socket_is_full || !world_.network().send(*this, std::move(message.frame), std::move(attachments))) {
      session_.not_sent();
      if (link_) world_.clock().after(random_.between(10us, 2ms), [this] { pump(); });
      break;
    }
  }
  for (const auto& completion : session_.take_completions()) {
    if (completion.is_item) {
      world_.arrived(completion, *this);
    } else {
      world_.completed(completion, name_);
    }
  }
  if (const auto next = session_.next_deadline()) {
    world_.clock().at(*next, [this, serial = ++wake_serial_] {
      if (serial == wake_serial_) pump();
    });
  }
}

}  // namespace samovar::sim
