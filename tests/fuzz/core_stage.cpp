#include "tests/fuzz/core_stage.hpp"

#include "tests/broker/messages.hpp"

namespace samovar::fuzz {

using namespace samovar::broker;
using namespace std::chrono_literals;

namespace {

// Small, so that a short script reaches the limits.
CoreConfig config() {
  CoreConfig config;
  config.secret = 42;
  config.clock = "here";
  config.services = {"svc"};
  config.default_timeout = 5s;
  config.max_timeout = 60s;
  config.startup_grace = 2s;
  config.stream_idle = 3s;
  config.quarantine_after = 2;
  config.max_body = 64 << 10;
  config.max_queued = 12;
  config.max_queued_bytes = 4096;
  config.max_outstanding_per_client = 8;
  return config;
}

constexpr std::string_view kAttachment = "attached";

}  // namespace

CoreStage::CoreStage() : core_(config(), now_) {
  for (std::size_t i = 0; i < kPeers; ++i) {
    peers_[i].side = i < kClients ? Side::frontend : Side::backend;
    peers_[i].id = PeerId{next_peer_++};
  }
}

void CoreStage::send(std::size_t number, std::string bytes, std::size_t attachments) {
  Peer& from = peers_[number];
  owe(from, bytes, attachments);
  turn([&] {
    const Frames frames(attachments, test::frame(std::string(kAttachment)));
    wire_.receive(from.side, from.id, test::frame(std::move(bytes)), frames, now_);
  });
}

// Each item of a REQUEST that the broker takes gets one outcome. A HELLO ends what was before, also one that is refused.
void CoreStage::owe(Peer& from, std::string_view frame, std::size_t attachments) {
  proto::Head head;
  proto::PeerHello hello;
  std::uint64_t sent_us = 0;
  std::vector<proto::RequestItem> items;
  if (proto::decode_head(frame, head) || head.version != proto::kVersion) return;
  if (head.kind == static_cast<std::uint64_t>(proto::Kind::hello)) {
    if (attachments == 0 && !proto::decode(frame, hello)) forget(from);
    return;
  }
  if (head.kind != static_cast<std::uint64_t>(proto::Kind::request)) return;
  if (from.side != Side::frontend || from.epoch == 0 || head.epoch != from.epoch) return;
  if (proto::decode_requests(frame, attachments, sent_us, items)) return;
  for (const auto& item : items) from.owed[item.id] += 1;
}

void CoreStage::forget(Peer& peer) {
  peer.epoch = 0;
  peer.owed.clear();
  peer.items.clear();
}

void CoreStage::lose(std::size_t number) {
  Peer& peer = peers_[number];
  const PeerId gone = peer.id;
  forget(peer);
  peer.id = PeerId{next_peer_++};
  turn([&] { core_.handle(event::PeerLost{gone}, now_); });
}

void CoreStage::pass(Duration time) {
  const auto until = now_ + time;
  for (int turns = 0; core_.next_deadline() && *core_.next_deadline() <= until; ++turns) {
    expect(turns < 10'000, "time goes on");
    pass_to_next_deadline();
  }
  now_ = until;
  turn([] {});
}

void CoreStage::pass_to_next_deadline() {
  if (const auto next = core_.next_deadline()) now_ = std::max(now_, *next);
  turn([] {});
}

std::vector<Poisoned> CoreStage::poisoned() {
  return core_.has_poisoned() ? core_.take_poisoned() : std::vector<Poisoned>();
}

void CoreStage::turn(const std::function<void()>& act) {
  act();
  core_.tick(now_);
  expect_none(core_.check_invariants());
  expect(!core_.next_deadline() || *core_.next_deadline() > now_, "what is due has been done");
  core_.outbox().take_notes();
  for (const auto& message : core_.outbox().take_messages()) take(message);
}

void CoreStage::take(const Message& message) {
  const auto heard = test::hear(message);
  expect_none(heard.malformed);
  for (std::size_t i = 0; i < kPeers; ++i) {
    Peer& peer = peers_[i];
    if (peer.id != message.peer) continue;
    expect(peer.side == message.side, "a peer is answered on its own side");
    if (heard.kind == proto::Kind::hello) {
      forget(peer);
      peer.epoch = heard.epoch;
      return;
    }
    for (const auto& item : heard.requests) {
      expect(peer.side == Side::backend && heard.epoch == peer.epoch, "a worker is sent what is for it");
      dispatched_.push_back({i, peer.epoch, item.id, item.attempt});
    }
    if (heard.kind == proto::Kind::command) commanded_.push_back({i, peer.epoch, heard.command.id, 1});
    if (heard.epoch != peer.epoch) return;
    for (const auto& item : heard.items) {
      expect(peer.owed.contains(item.id), "an item is for a request that waits");
      expect(item.seq == peer.items[item.id]++, "the items of a stream come without a gap");
    }
    for (const auto& item : heard.replies) {
      const auto at = peer.owed.find(item.id);
      expect(at != peer.owed.end(), "an outcome is for a request that waits");
      if (--at->second > 0) continue;
      peer.owed.erase(at);
      peer.items.erase(item.id);
    }
    return;
  }
}

void CoreStage::finish() {
  pass(2min);
  for (const auto& peer : peers_) expect(peer.owed.empty(), "each request has had its outcome");
  for (std::size_t i = 0; i < kPeers; ++i) lose(i);
  pass(1min);
  poisoned();
  const auto sizes = core_.sizes();
  expect(sizes.peers + sizes.requests + sizes.queued + sizes.in_flight + sizes.queued_bytes + sizes.flights +
                 sizes.timers ==
             0,
         "nothing is left when all have gone");
}

}  // namespace samovar::fuzz
