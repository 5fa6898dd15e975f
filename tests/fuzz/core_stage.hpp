// The broker's core with hostile peers around it. Each turn ends with what must hold then: the core's own invariants,
// messages that can be decoded, and one outcome for each request that was taken.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/core.hpp"
#include "broker/core/wire.hpp"
#include "tests/fuzz/target.hpp"

namespace samovar::fuzz {

// A connection. Its number changes when it is lost: the next one in its place is another peer.
struct Peer {
  broker::Side side{};
  broker::PeerId id{};
  std::uint64_t epoch = 0;                       // that the broker gave last; 0: none
  std::map<std::uint64_t, std::uint32_t> owed;   // outcomes that it waits for, by its own ids
  std::map<std::uint64_t, std::uint64_t> items;  // of streams, by its own ids: the next number
};

// What a worker was sent, or a supervisor.
struct Dispatched {
  std::size_t peer;
  std::uint64_t epoch;
  std::uint64_t id;
  std::uint8_t attempt;
};

class CoreStage {
 public:
  static constexpr std::size_t kPeers = 8;
  static constexpr std::size_t kClients = 3;      // the first ones
  static constexpr std::size_t kSupervisors = 2;  // the last ones

  CoreStage();

  Peer& peer(std::size_t number) { return peers_[number]; }
  // Of the last things that were dispatched, counted from the newest; something when there is none.
  Dispatched dispatched(std::size_t back) const { return nth_last(dispatched_, back); }
  Dispatched commanded(std::size_t back) const { return nth_last(commanded_, back); }

  void send(std::size_t peer, std::string frame, std::size_t attachments = 0);
  void lose(std::size_t peer);
  void pass(broker::Duration time);
  void pass_to_next_deadline();
  // Something else that happens to the core.
  template <typename Event>
  void happen(const Event& event) {
    turn([&] { core_.handle(event, now_); });
  }
  std::vector<broker::Poisoned> poisoned();

  // Time passes until everybody has heard, then all leave: nothing may be left.
  void finish();

 private:
  static Dispatched nth_last(const std::vector<Dispatched>& all, std::size_t back) {
    return back < all.size() ? all[all.size() - 1 - back] : Dispatched{kClients, 1, 1, 1};
  }
  static void forget(Peer& peer);
  void turn(const std::function<void()>& act);
  void take(const broker::Message& message);
  void owe(Peer& from, std::string_view frame, std::size_t attachments);

  broker::TimePoint now_{std::chrono::hours(1000)};
  broker::Core core_;
  broker::Wire wire_{core_};
  std::array<Peer, kPeers> peers_;
  std::uint64_t next_peer_ = 1;
  std::vector<Dispatched> dispatched_;
  std::vector<Dispatched> commanded_;
};

}  // namespace samovar::fuzz
