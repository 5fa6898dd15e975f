// One connection to one broker, without a socket: its handshake, its epoch, and what it still has to be told. Session has
// the table of what happens when; this is what it happens to.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/call.hpp"
#include "client/health.hpp"
#include "proto/control.hpp"

namespace samovar::client {

enum class LinkState : std::uint8_t {
  disconnected,
  greeting,  // HELLO has been said, or is about to be
  ready,     // there is an epoch
  refused,   // this connection is of no use
};

// Why nothing can be hoped of a broker.
struct Hopeless {
  Status status;  // protocol_error, unauthorized, or unavailable: it goes away
  std::string why;
};

struct Link {
  Link(LinkId number, const std::string& where, std::uint64_t seed)
      : id(number), endpoint(where), nonce(seed) {}

  void greet(TimePoint now);
  void disconnect();
  // False: it answers no HELLO of ours.
  bool welcome(std::uint64_t new_epoch, proto::BrokerHello&& hello);
  void refuse(Status status, std::string why, TimePoint until = TimePoint::max());
  // What is to be said to it no longer matters.
  void forget();

  bool takes_calls() const { return state == LinkState::ready && !draining && !busy && !retiring; }
  // A HELLO that was lost; or one that was refused, and may be allowed now.
  bool greets_again() const {
    return state == LinkState::greeting ||
           (state == LinkState::refused && refused_as == Status::unauthorized);
  }
  std::optional<Hopeless> hopeless(TimePoint now) const;
  std::string going_away() const { return "the broker at " + endpoint + " is going away"; }

  const LinkId id;
  const std::string& endpoint;  // its owner keeps it as long as there is anybody who may name it
  LinkState state = LinkState::disconnected;
  std::uint64_t epoch = 0;
  std::uint64_t nonce;
  proto::BrokerHello broker;
  bool draining = false;
  bool busy = false;      // the transport takes no message now; set by its owner
  bool retiring = false;  // takes no more calls, and goes when the last has ended
  Health health;

  Status refused_as = Status::protocol_error;
  std::string refusal;         // empty: what is submitted is taken
  TimePoint refused_until{};   // while disconnected: a broker that is gone refuses nobody
  std::string last_malformed;  // for messages
  bool handshake_failed = false;

  bool hello_pending = false;
  TimePoint hello_again_at{};
  bool ping_pending = false;
  bool drained_pending = false;      // to be said: nothing more will come
  std::set<std::uint64_t> declared;  // hashes of schemas that this epoch's broker has been told
  std::vector<std::uint64_t> cancels;
  std::vector<proto::Window> windows;
};

}  // namespace samovar::client
