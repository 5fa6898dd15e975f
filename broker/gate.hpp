// One ROUTER socket with its endpoints, its monitor and its peers: the only place that knows routing ids and
// descriptors. It numbers peers, sends without ever blocking, and finds out which peers are gone. Used by the
// server's thread only.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "broker/connections.hpp"
#include "broker/core/outbox.hpp"
#include "broker/core/types.hpp"
#include "broker/endpoint.hpp"

namespace samovar::broker {

struct Received {
  PeerId peer{};
  bool is_new = false;  // the peer's first message
  FramePtr frame;
  Frames attachments;
};

// Bytes that libzmq holds for one peer. Shared with libzmq's thread.
using HeldBytes = std::shared_ptr<std::atomic<std::size_t>>;

class Gate {
 public:
  // `serial` numbers the peers of all gates of a process. `max_body` as announced. With a `secret_key`, in Z85, peers
  // need keys of their own, and Zap decides about them.
  Gate(zmq::context_t& context, Side side, std::uint64_t& serial, Connections& connections,
       std::size_t max_body, const std::string& secret_key);

  // Throws BadOptions when the endpoint cannot be bound. Afterwards endpoints() has its actual name.
  void bind(const std::string& endpoint);
  const std::vector<std::string>& endpoints() const { return endpoints_; }

  // Takes one message that has come in; false when there is none.
  bool receive(Received& out);
  // False when there is nothing to receive until descriptor() is readable.
  bool may_receive();

  // The public key that the peer has proved to have; empty without security.
  const std::string& key_of(PeerId peer) const { return peers_.at(raw(peer)).key; }
  std::vector<PeerId> peers() const;

  // Sends now what can be sent, and keeps the rest for retry_unsent(). A peer that is found gone becomes suspect.
  void send(Message&& message);
  void retry_unsent();
  bool has_peers() const { return !peers_.empty(); }
  bool has_unsent() const { return !unsent_.empty(); }

  // Reads the monitor, if there may be something: which connections came and went. Who sat on a closed descriptor becomes suspect.
  void read_monitor(TimePoint now);
  // Asks suspects whether they are still there; returns those that are gone. Their last messages may still have to
  // be received before they are forgotten.
  std::vector<PeerId> find_lost(TimePoint now);
  void forget(PeerId peer);
  bool has_suspects() const { return !suspects_.empty() || !replaced_.empty(); }

  // To be polled for input, and said when they have some. They tell of changes only, so ask may_receive() first.
  int descriptor() const { return descriptor_; }
  int monitor_descriptor() const { return monitor_descriptor_; }
  void wake() { received_all_ = false; }
  void wake_monitor() { monitor_read_ = false; }
  // Items of streams that did not leave, since the last time.
  struct DroppedItems {
    PeerId peer;
    std::vector<std::uint64_t> streams;  // as in Message
  };
  std::vector<DroppedItems> take_dropped_items() { return std::exchange(dropped_items_, {}); }
  // Replies that did not leave, since the beginning.
  std::uint64_t dropped() const { return dropped_; }

 private:
  struct Peer {
    std::string routing_id;
    std::string key;
    int descriptor = -1;
    HeldBytes held = std::make_shared<std::atomic<std::size_t>>(0);
    std::deque<Message> unsent;
    std::size_t unsent_bytes = 0;
  };
  enum class Sent : std::uint8_t { yes, full, gone };

  Peer& identify(const std::string& routing_id, zmq::message_t& frame, Received& out);
  Peer& add_peer(const std::string& routing_id, zmq::message_t& frame, Received& out);
  Sent try_send(const Peer& peer, Message& message);
  void keep_unsent(PeerId id, Peer& peer, Message&& message);
  void suspect(PeerId peer, TimePoint now);

  const Side side_;
  const bool secured_;
  std::uint64_t& serial_;
  Connections& connections_;
  std::vector<EndpointLock> locks_;
  std::vector<std::string> endpoints_;
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
  int descriptor_ = -1;
  int monitor_descriptor_ = -1;
  // Nothing is there to receive, and libzmq will signal what comes. Not so after a send: it may take the signal.
  bool received_all_ = false;
  bool monitor_read_ = false;

  std::unordered_map<std::string, PeerId> by_routing_id_;
  std::unordered_map<std::uint64_t, Peer> peers_;
  std::unordered_multimap<int, PeerId> by_descriptor_;
  std::unordered_map<std::uint64_t, TimePoint> suspects_;  // until when
  std::vector<PeerId> replaced_;                           // another key took the routing id of these
  TimePoint probed_at_{};
  std::vector<std::uint64_t> unsent_;  // peers with messages that wait
  std::uint64_t dropped_ = 0;
  std::vector<DroppedItems> dropped_items_;
};

}  // namespace samovar::broker
