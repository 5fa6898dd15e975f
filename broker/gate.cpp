#include "broker/gate.hpp"

#include <sys/stat.h>
#include <cerrno>
#include <cstring>
#include <utility>

#include "broker/options.hpp"
#include "broker/zap.hpp"
#include "proto/codec.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

class ReceivedFrame : public Frame {
 public:
  explicit ReceivedFrame(zmq::message_t&& message) : message_(std::move(message)) {}
  std::string_view bytes() const override {
    return {static_cast<const char*>(message_.data()), message_.size()};
  }

 private:
  zmq::message_t message_;
};

constexpr std::size_t kCopyBelow = 4096;

// What libzmq holds of a peer's messages, and gives back in its own thread once it is sent or dropped.
template <typename Owner>
struct Loan {
  Owner owner;
  HeldBytes held;
  std::size_t bytes;
};

template <typename Owner>
zmq::message_t lend(std::string_view bytes, Owner owner, const HeldBytes& held) {
  auto* loan = new Loan<Owner>{std::move(owner), held, bytes.size()};
  *held += bytes.size();
  return zmq::message_t(
      const_cast<char*>(bytes.data()), bytes.size(),  // NOLINT: libzmq does not write to what it sends
      [](void*, void* hint) {
        auto* given_back = static_cast<Loan<Owner>*>(hint);
        *given_back->held -= given_back->bytes;
        delete given_back;
      },
      loan);
}

// Each as a message, without copying it when it is large.
zmq::message_t to_message(std::string&& text, const HeldBytes& held) {
  if (text.size() < kCopyBelow) return zmq::message_t(text.data(), text.size());
  auto owner = std::make_unique<std::string>(std::move(text));
  const std::string_view bytes = *owner;
  return lend(bytes, std::move(owner), held);
}

zmq::message_t to_message(const FramePtr& frame, const HeldBytes& held) {
  const auto bytes = frame->bytes();
  if (bytes.size() < kCopyBelow) return zmq::message_t(bytes.data(), bytes.size());
  return lend(bytes, FramePtr(frame), held);
}

std::size_t size_of(const Message& message) {
  std::size_t bytes = message.frame.size();
  for (const auto& attachment : message.attachments) bytes += attachment->bytes().size();
  return bytes;
}

// A peer may send frames without end in one message: those beyond what any message may have are not kept.
constexpr std::size_t kMaxFrames = 4096;
constexpr int kSendQueue = 64;
// libzmq bounds what waits in a socket for one peer by messages only: large ones are held back here.
constexpr std::size_t kMaxHeldBytes = 64u << 20;

std::string_view user_of(zmq::message_t& frame) {
  const char* key = zmq_msg_gets(frame.handle(), "User-Id");  // as Zap answered
  return key ? key : "";
}

// While it lives, files are made for this user alone.
class PrivateFiles {
 public:
  explicit PrivateFiles(bool on) : before_(::umask(077)) {
    if (!on) ::umask(before_);
  }
  PrivateFiles(const PrivateFiles&) = delete;
  PrivateFiles& operator=(const PrivateFiles&) = delete;
  ~PrivateFiles() { ::umask(before_); }

 private:
  const mode_t before_;
};

// A suspect is asked again after this long.
constexpr auto kProbeEvery = std::chrono::milliseconds(1);

std::string monitor_name(Side side) {
  return side == Side::frontend ? "inproc://frontend.monitor" : "inproc://backend.monitor";
}

}  // namespace

Gate::Gate(zmq::context_t& context, Side side, std::uint64_t& serial, Connections& connections,
           std::size_t max_body, const std::string& secret_key)
    : side_(side),
      secured_(!secret_key.empty()),
      serial_(serial),
      connections_(connections),
      socket_(context, ZMQ_ROUTER),
      monitor_(context, ZMQ_PAIR) {
  const auto ms = [](auto duration) { return static_cast<int>(std::chrono::milliseconds(duration).count()); };
  socket_.set(zmq::sockopt::router_mandatory, true);
  socket_.set(zmq::sockopt::sndhwm, kSendQueue);
  socket_.set(zmq::sockopt::linger, 1000);
  socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(max_body + limits::kSocketSlack));
  socket_.set(zmq::sockopt::heartbeat_ivl, ms(limits::kHeartbeatInterval));
  socket_.set(zmq::sockopt::heartbeat_timeout, ms(limits::kHeartbeatTimeout));
  socket_.set(zmq::sockopt::backlog, 1024);
  socket_.set(zmq::sockopt::handshake_ivl, ms(limits::kHandshakeTimeout));
  if (secured_) {
    socket_.set(zmq::sockopt::curve_server, true);
    socket_.set(zmq::sockopt::curve_secretkey, secret_key);
    socket_.set(zmq::sockopt::zap_domain, Zap::kDomain);
    // An I/O thread for each side: handshakes of one are no burden to the other's data.
    socket_.set(zmq::sockopt::affinity, std::uint64_t{side == Side::frontend ? 1u : 2u});
  }

  const auto name = monitor_name(side);
  constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED;
  if (zmq_socket_monitor(socket_.handle(), name.c_str(), kEvents) != 0) throw zmq::error_t();
  // Without a limit: a monitor that is full would stall the whole I/O thread.
  monitor_.set(zmq::sockopt::rcvhwm, 0);
  monitor_.set(zmq::sockopt::linger, 0);
  monitor_.connect(name);
  descriptor_ = socket_.get(zmq::sockopt::fd);
  monitor_descriptor_ = monitor_.get(zmq::sockopt::fd);
}

void Gate::bind(const std::string& endpoint) {
  locks_.emplace_back(endpoint);
  try {
    if (endpoint.find('[') != std::string::npos) socket_.set(zmq::sockopt::ipv6, true);
    // Without keys an ipc endpoint is for this user alone, whatever its directory allows.
    const PrivateFiles private_files(!secured_);
    socket_.bind(endpoint);
  } catch (const zmq::error_t& error) {
    const std::string what = "cannot listen on '" + endpoint + "': ";
    if (error.num() == EADDRINUSE) {
      throw BadOptions(what + "it is in use; is another samovard running? Choose another with --" +
                       (side_ == Side::frontend ? "frontend" : "backend"));
    }
    throw BadOptions(what + error.what());
  }
  endpoints_.push_back(socket_.get(zmq::sockopt::last_endpoint));
}

// --- receiving -------------------------------------------------------------------------------------------

// Who sent this message. A routing id is a peer's claim, its key is proved: one that comes with another key than before
// is somebody else's.
Gate::Peer& Gate::identify(const std::string& routing_id, zmq::message_t& frame, Received& out) {
  const auto at = by_routing_id_.find(routing_id);
  if (at == by_routing_id_.end()) return add_peer(routing_id, frame, out);
  Peer& peer = peers_[raw(at->second)];
  if (secured_ && peer.key != user_of(frame)) {
    replaced_.push_back(at->second);
    by_routing_id_.erase(at);
    return add_peer(routing_id, frame, out);
  }
  out.peer = at->second;
  return peer;
}

Gate::Peer& Gate::add_peer(const std::string& routing_id, zmq::message_t& frame, Received& out) {
  out.peer = static_cast<PeerId>(++serial_);
  out.is_new = true;
  by_routing_id_.emplace(routing_id, out.peer);
  Peer& peer = peers_[raw(out.peer)];
  peer.routing_id = routing_id;
  if (secured_) peer.key = user_of(frame);
  peer.descriptor = zmq_msg_get(frame.handle(), ZMQ_SRCFD);
  if (peer.descriptor >= 0) by_descriptor_.emplace(peer.descriptor, out.peer);
  return peer;
}

std::vector<PeerId> Gate::peers() const {
  std::vector<PeerId> all;
  for (const auto& [id, peer] : peers_) all.push_back(static_cast<PeerId>(id));
  return all;
}

bool Gate::receive(Received& out) {
  zmq::message_t part;
  if (received_all_ || !socket_.recv(part, zmq::recv_flags::dontwait)) {
    received_all_ = true;
    return false;
  }
  out = {};
  const std::string routing_id = part.to_string();
  bool more = part.more();
  while (more) {
    zmq::message_t next;
    if (!socket_.recv(next, zmq::recv_flags::dontwait)) break;
    more = next.more();
    if (!out.frame) {
      identify(routing_id, next, out);
      out.frame = std::make_shared<ReceivedFrame>(std::move(next));
    } else if (out.attachments.size() < kMaxFrames) {
      out.attachments.push_back(std::make_shared<ReceivedFrame>(std::move(next)));
    }
  }
  if (!out.frame) {
    zmq::message_t none;
    identify(routing_id, none, out);
    out.frame = std::make_shared<ReceivedFrame>(std::move(none));
  }
  return true;
}

bool Gate::may_receive() {
  if (!received_all_) received_all_ = (socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) == 0;
  return !received_all_;
}

// --- sending ---------------------------------------------------------------------------------------------

Gate::Sent Gate::try_send(const Peer& peer, Message& message) {
  received_all_ = false;
  const auto flags = zmq::send_flags::dontwait;
  zmq::message_t routing_id(peer.routing_id.data(), peer.routing_id.size());
  try {
    // Once the routing id is accepted, the rest of the message is too.
    if (!socket_.send(routing_id, flags | zmq::send_flags::sndmore)) return Sent::full;
    const bool alone = message.attachments.empty();
    socket_.send(to_message(std::move(message.frame), peer.held),
                 alone ? flags : flags | zmq::send_flags::sndmore);
    for (std::size_t i = 0; i < message.attachments.size(); ++i) {
      const bool last = i + 1 == message.attachments.size();
      socket_.send(to_message(message.attachments[i], peer.held),
                   last ? flags : flags | zmq::send_flags::sndmore);
    }
  } catch (const zmq::error_t& error) {
    if (error.num() != EHOSTUNREACH) throw;
    return Sent::gone;
  }
  return Sent::yes;
}

void Gate::send(Message&& message) {
  const auto at = peers_.find(raw(message.peer));
  if (at == peers_.end()) return;
  Peer& peer = at->second;
  const PeerId id = message.peer;
  if (!peer.unsent.empty() || *peer.held > kMaxHeldBytes) return keep_unsent(id, peer, std::move(message));
  switch (try_send(peer, message)) {
    case Sent::yes: break;
    case Sent::full: keep_unsent(id, peer, std::move(message)); break;
    case Sent::gone:
      dropped_ += message.replies;
      suspect(id, Clock::now());
      break;
  }
}

// What a worker has not read yet is bounded by its credit; what a client does not read is not, so beyond a limit its
// replies are dropped.
void Gate::keep_unsent(PeerId id, Peer& peer, Message&& message) {
  if (message.is_complaint) return;
  const std::size_t bytes = size_of(message);
  if (side_ == Side::frontend && peer.unsent_bytes + bytes > limits::kMaxUnsentBytes) {
    dropped_ += message.replies;
    if (!message.streams.empty()) dropped_items_.push_back({id, std::move(message.streams)});
    return;
  }
  if (peer.unsent.empty()) unsent_.push_back(raw(id));
  peer.unsent_bytes += bytes;
  peer.unsent.push_back(std::move(message));
}

void Gate::retry_unsent() {
  std::erase_if(unsent_, [&](std::uint64_t id) {
    const auto at = peers_.find(id);
    if (at == peers_.end()) return true;
    Peer& peer = at->second;
    while (!peer.unsent.empty()) {
      if (*peer.held > kMaxHeldBytes) return false;
      const std::size_t bytes = size_of(peer.unsent.front());
      switch (try_send(peer, peer.unsent.front())) {
        case Sent::full: return false;
        case Sent::gone:
          suspect(static_cast<PeerId>(id), Clock::now());
          for (const Message& message : peer.unsent) dropped_ += message.replies;
          peer.unsent.clear();
          peer.unsent_bytes = 0;
          return true;
        case Sent::yes: break;
      }
      peer.unsent_bytes -= bytes;
      peer.unsent.pop_front();
    }
    return true;
  });
}

// --- who is gone -----------------------------------------------------------------------------------------

void Gate::suspect(PeerId peer, TimePoint now) {
  suspects_[raw(peer)] = now + limits::kSuspectFor;
}

void Gate::read_monitor(TimePoint now) {
  if (std::exchange(monitor_read_, true)) return;
  zmq::message_t event;
  zmq::message_t address;
  while (monitor_.recv(event, zmq::recv_flags::dontwait)) {
    if (event.more()) (void)monitor_.recv(address, zmq::recv_flags::dontwait);
    if (event.size() != 6) continue;
    std::uint16_t what = 0;
    std::int32_t descriptor = 0;
    std::memcpy(&what, event.data(), sizeof what);
    std::memcpy(&descriptor, event.data<char>() + sizeof what, sizeof descriptor);
    if (what == ZMQ_EVENT_ACCEPTED) {
      connections_.opened(side_, descriptor);
      continue;
    }
    connections_.closed(descriptor);
    const auto [from, to] = by_descriptor_.equal_range(descriptor);
    for (auto at = from; at != to; ++at) suspect(at->second, now);
  }
}

std::vector<PeerId> Gate::find_lost(TimePoint now) {
  std::vector<PeerId> lost = std::exchange(replaced_, {});
  if (now - probed_at_ < kProbeEvery) return lost;
  probed_at_ = now;
  std::erase_if(suspects_, [&](const auto& entry) {
    const auto& [id, until] = entry;
    const auto at = peers_.find(id);
    if (at == peers_.end()) return true;
    Message probe;
    probe.frame = proto::encode_bare(proto::Kind::probe, 0);
    if (try_send(at->second, probe) == Sent::gone) {
      lost.push_back(static_cast<PeerId>(id));
      return true;
    }
    return now >= until;
  });
  return lost;
}

void Gate::forget(PeerId peer) {
  const auto at = peers_.find(raw(peer));
  for (const Message& message : at->second.unsent) dropped_ += message.replies;
  const auto known = by_routing_id_.find(at->second.routing_id);
  if (known != by_routing_id_.end() && known->second == peer) by_routing_id_.erase(known);
  const auto [from, to] = by_descriptor_.equal_range(at->second.descriptor);
  for (auto entry = from; entry != to; ++entry) {
    if (entry->second == peer) {
      by_descriptor_.erase(entry);
      break;
    }
  }
  peers_.erase(at);
}

}  // namespace samovar::broker
