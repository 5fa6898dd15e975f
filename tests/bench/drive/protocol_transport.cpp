// Samovar's protocol spoken by hand, one request a message, over any number of connections: what the number of
// connections costs the broker. A ROUTER that connects stands for all of them, so that the client's side costs the same.
#include <unistd.h>

#include <zmq.hpp>

#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "tests/bench/drive/transport.hpp"

namespace samovar::bench {

namespace {

class Protocol final : public Transport {
 public:
  explicit Protocol(const TransportOptions& options) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, 0);
    socket_.set(zmq::sockopt::rcvhwm, 0);
    socket_.set(zmq::sockopt::rcvtimeo, 10'000);
    for (std::size_t i = 0; i < options.connections; ++i) {
      std::string peer(kIdBytes, 'x');
      put_id(peer.data(), i + 1);
      peer.insert(peer.begin(), 'c');  // a routing id must not begin with 0
      socket_.set(zmq::sockopt::connect_routing_id, peer);
      socket_.connect(options.endpoint);
      peers_.push_back({peer, 0});
    }
    for (const auto& peer : peers_) say_hello(peer.id);
    for (std::size_t i = 0; i < peers_.size(); ++i) hear_hello();
  }

  void run(Calls& calls, Payload& payload) override {
    slots_ = calls.outstanding();
    for (std::size_t slot = 0; slot < calls.outstanding(); ++slot) {
      calls.begin(slot);
      send(slot, payload.next());
    }
    while (!calls.over()) {
      receive();
      for (const auto& reply : replies_) {
        if (reply.status != Status::ok) throw std::runtime_error("a call failed");
        const std::size_t slot = reply.id % slots_;
        if (!calls.end(slot)) continue;
        calls.begin_again(slot);
        send(slot, payload.next());
      }
    }
  }

 private:
  struct Peer {
    std::string id;
    std::uint64_t epoch;
  };

  void send_frame(const std::string& peer, std::string_view frame) {
    socket_.send(zmq::buffer(peer), zmq::send_flags::sndmore);
    socket_.send(zmq::buffer(frame), zmq::send_flags::none);
  }

  void receive_frames() {
    if (!socket_.recv(from_) || !socket_.recv(frame_)) throw std::runtime_error("no answer within 10 s");
  }

  void say_hello(const std::string& peer) {
    proto::PeerHello hello;
    hello.nonce = 1;
    hello.name = "bench";
    hello.pid = static_cast<std::uint64_t>(::getpid());
    send_frame(peer, proto::encode(0, hello));
  }

  void hear_hello() {
    receive_frames();
    proto::Head head;
    if (proto::decode_head(frame_.to_string_view(), head) || head.kind != std::uint64_t(proto::Kind::hello))
      throw std::runtime_error("the broker's hello did not come");
    peers_.at(get_id(from_.to_string_view().substr(1), peers_.size() + 1) - 1).epoch = head.epoch;
  }

  // Slots take the connections in turn.
  void send(std::size_t slot, const std::string& body) {
    const Peer& peer = peers_[slot % peers_.size()];
    proto::BundleWriter writer(proto::Kind::request, peer.epoch);
    tail_ = "\x90";
    tail_ += body;
    tail_ += proto::kNil;
    // An id is never used twice on a connection.
    writer.add_request(slots_ * ++serial_ + slot, 1, 0, 30'000'000, "bench.lookup", tail_);
    send_frame(peer.id, std::move(writer).finish());
  }

  void receive() {
    receive_frames();
    if (proto::decode_replies(frame_.to_string_view(), 0, replies_) != nullptr)
      throw std::runtime_error("no reply: something else came");
  }

  zmq::context_t context_{1};
  zmq::socket_t socket_{context_, zmq::socket_type::router};
  std::vector<Peer> peers_;
  std::uint64_t slots_ = 0;
  std::uint64_t serial_ = 0;
  std::string tail_;
  std::vector<proto::ReplyItem> replies_;
  zmq::message_t from_;
  zmq::message_t frame_;
};

}  // namespace

std::unique_ptr<Transport> make_protocol(const TransportOptions& options) {
  return std::make_unique<Protocol>(options);
}

}  // namespace samovar::bench
