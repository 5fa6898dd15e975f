#include "tests/sim/network.hpp"

#include "tests/sim/world.hpp"

namespace samovar::sim {

using namespace std::chrono_literals;

namespace {

Duration delay(Random& random, World& world) {
  const bool late = random.chance(0.02) && world.takes("late messages");
  return late ? random.between(0us, 8ms) : random.between(5us, 200us);
}

}  // namespace

Peer::Peer(World& world, std::string name, broker::Side side)
    : world_(world), name_(std::move(name)), side_(side), connects_(world.seed(), "connects " + name_) {}

void Network::connect(Peer& peer) {
  if (peer.connecting_ || !peer.alive_) return;
  peer.connecting_ = true;
  world_.clock().after(peer.connects_.between(50us, 20ms), [this, &peer] {
    peer.connecting_ = false;
    if (!peer.alive_ || peer.link_) return;
    if (!world_.broker().up()) return connect(peer);
    auto link = std::make_shared<Link>();
    link->id = static_cast<broker::PeerId>(++peers_);
    link->peer = &peer;
    link->random = Random(world_.seed(), peer.name_, ++peer.connections_);
    links_[peers_] = link;
    peer.link_ = link;
    world_.trace(peer.name_, " connects as peer ", peers_);
    peer.connected();
  });
}

bool Network::send(Peer& peer, std::string bytes, broker::Frames attachments) {
  const auto link = peer.link_;
  if (!link) return false;
  link->last_in = std::max(link->last_in, world_.clock().now() + delay(link->random, world_));
  world_.clock().at(link->last_in, [this, link, side = peer.side_, frame = test::frame(std::move(bytes)),
                                    attachments = std::move(attachments)] {
    if (link->up) world_.broker().arrive(side, link->id, frame, attachments);
  });
  return true;
}

void Network::send(broker::Message message) {
  const auto at = links_.find(broker::raw(message.peer));
  if (at == links_.end()) return;
  const auto link = at->second;
  link->last_out = std::max(link->last_out, world_.clock().now() + delay(link->random, world_));
  auto shared = std::make_shared<broker::Message>(std::move(message));
  world_.clock().at(link->last_out, [link, shared] {
    if (link->up && link->peer_listens) link->peer->message(*shared);
  });
}

void Network::lose(const std::shared_ptr<Link>& link, Duration until_peer_knows) {
  link->up = false;
  links_.erase(broker::raw(link->id));
  world_.clock().after(until_peer_knows, [this, link] {
    Peer& peer = *link->peer;
    if (peer.link_ != link) return;
    peer.link_.reset();
    if (!peer.alive_) return;
    peer.disconnected();
    connect(peer);
  });
}

void Network::cut(Peer& peer) {
  const auto link = peer.link_;
  if (!link) return;
  world_.trace("the connection of ", peer.name_, " is cut");
  const auto until_broker_knows = link->random.between(0us, link->random.chance(0.1) ? 100ms : 3ms);
  world_.clock().after(until_broker_knows, [this, id = link->id] { world_.broker().lost(id); });
  lose(link, link->random.between(0us, link->random.chance(0.1) ? 100ms : 3ms));
}

void Network::close(Peer& peer, Duration held_open) {
  const auto link = peer.link_;
  if (!link) return;
  peer.link_.reset();
  link->peer_listens = false;
  const auto closes = world_.clock().now() + held_open + link->random.between(10us, 2ms);
  world_.clock().at(std::max(link->last_in, closes), [this, link] {
    if (!link->up) return;
    link->up = false;
    links_.erase(broker::raw(link->id));
    world_.broker().lost(link->id);
  });
}

void Network::broker_down() {
  const auto links = links_;
  for (const auto& [id, link] : links) lose(link, link->random.between(0us, 5ms));
}

}  // namespace samovar::sim
