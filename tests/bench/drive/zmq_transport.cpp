// Raw ZeroMQ: a DEALER, an id and a body in one frame or in two. Over several connections: a ROUTER that connects, since
// a DEALER makes one connection to an endpoint however often it is told.
#include <algorithm>
#include <zmq.hpp>

#include "tests/bench/drive/transport.hpp"

namespace samovar::bench {

namespace {

class Zmq final : public Transport {
 public:
  explicit Zmq(const TransportOptions& options)
      : frames_(options.frames),
        socket_(context_, options.connections > 1 ? zmq::socket_type::router : zmq::socket_type::dealer) {
    if (frames_ != 1 && frames_ != 2) throw std::invalid_argument("--frames is 1 or 2");
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, 0);
    socket_.set(zmq::sockopt::rcvhwm, 0);
    if (options.connections > 1) {
      for (std::size_t i = 0; i < options.connections; ++i) peers_.push_back(connect_as(i, options.endpoint));
    } else {
      socket_.connect(options.endpoint);
    }
    Payload payload(options.body);
    socket_.set(zmq::sockopt::rcvtimeo, 10'000);
    send(0, payload.next());
    receive(1, payload);
    socket_.set(zmq::sockopt::rcvtimeo, -1);
  }

  void run(Calls& calls, Payload& payload) override {
    for (std::size_t slot = 0; slot < calls.outstanding(); ++slot) {
      calls.begin(slot);
      send(slot, payload.next());
    }
    while (!calls.over()) {
      const std::size_t slot = receive(calls.outstanding(), payload);
      if (!calls.end(slot)) continue;
      calls.begin_again(slot);
      send(slot, payload.next());
    }
  }

 private:
  // Returns the routing id of the connection.
  std::string connect_as(std::size_t number, const std::string& endpoint) {
    std::string peer(1 + kIdBytes, 'c');  // it must not begin with 0
    put_id(peer.data() + 1, number);
    socket_.set(zmq::sockopt::connect_routing_id, peer);
    socket_.connect(endpoint);
    return peer;
  }

  // Slots take the connections in turn.
  void send(std::size_t slot, const std::string& body) {
    if (!peers_.empty()) socket_.send(zmq::buffer(peers_[slot % peers_.size()]), zmq::send_flags::sndmore);
    if (frames_ == 2) {
      zmq::message_t id(kIdBytes);
      put_id(id.data(), slot);
      socket_.send(id, zmq::send_flags::sndmore);
      socket_.send(zmq::buffer(body), zmq::send_flags::none);
    } else {
      zmq::message_t message(kIdBytes + body.size());
      put_id(message.data(), slot);
      std::copy(body.begin(), body.end(), static_cast<char*>(message.data()) + kIdBytes);
      socket_.send(message, zmq::send_flags::none);
    }
  }

  std::size_t receive(std::size_t slots, const Payload& payload) {
    if (!peers_.empty()) receive_frame(id_);
    receive_frame(id_);
    const std::size_t slot = get_id(id_.to_string_view(), slots);
    if (frames_ == 2) {
      receive_frame(body_);
      payload.check(body_.to_string_view());
    } else {
      payload.check(id_.to_string_view().substr(kIdBytes));
    }
    return slot;
  }

  void receive_frame(zmq::message_t& message) {
    if (!socket_.recv(message)) throw std::runtime_error("no answer within 10 s");
  }

  const std::size_t frames_;
  zmq::context_t context_{1};
  zmq::socket_t socket_;
  std::vector<std::string> peers_;  // routing ids, if there are several
  zmq::message_t id_;
  zmq::message_t body_;
};

}  // namespace

std::unique_ptr<Transport> make_zmq(const TransportOptions& options) {
  return std::make_unique<Zmq>(options);
}

}  // namespace samovar::bench
