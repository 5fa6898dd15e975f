// Connections between peers and the broker: each a FIFO with random delays in both directions, which may be cut. What
// is on the way then is lost, both sides notice on their own time, and the peer comes back under a new PeerId.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "broker/core/outbox.hpp"
#include "tests/sim/clock.hpp"

namespace samovar::sim {

class World;
class Peer;

struct Link {
  broker::PeerId id{};
  Peer* peer = nullptr;
  bool up = true;            // messages to the broker arrive
  bool peer_listens = true;  // messages to the peer do
  Random random{0};
  Time last_in{};
  Time last_out{};
};

// A client, worker or supervisor: a process with one connection.
class Peer {
 public:
  Peer(World& world, std::string name, broker::Side side);
  virtual ~Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  virtual void connected() = 0;
  virtual void disconnected() = 0;
  virtual void message(const broker::Message& message) = 0;

  const std::string& name() const { return name_; }
  broker::Side side() const { return side_; }
  bool alive() const { return alive_; }

 protected:
  friend class Network;
  World& world_;
  const std::string name_;
  const broker::Side side_;
  bool alive_ = true;
  bool connecting_ = false;
  std::uint64_t connections_ = 0;
  Random connects_;  // draws how long it takes
  std::shared_ptr<Link> link_;
};

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  // Connects the peer as soon as there is a broker.
  void connect(Peer& peer);
  // False when the peer has no connection.
  bool send(Peer& peer, std::string frame, broker::Frames attachments = {});
  void send(broker::Message message);
  void cut(Peer& peer);
  // The peer's process has ended: what it had sent still arrives. A child of it may keep the connection open for a while.
  void close(Peer& peer, Duration held_open);
  void broker_down();

 private:
  void lose(const std::shared_ptr<Link>& link, Duration until_peer_knows);

  World& world_;
  std::uint64_t peers_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Link>> links_;  // by PeerId
};

}  // namespace samovar::sim
