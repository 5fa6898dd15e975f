#include "client/link.hpp"

#include <algorithm>
#include <utility>

#include "proto/limits.hpp"

namespace samovar::client {

void Link::greet(TimePoint now) {
  state = LinkState::greeting;
  epoch = 0;
  refusal.clear();
  nonce = (nonce + 1) & samovar::limits::kMaxPrefixInteger;
  hello_pending = true;
  hello_again_at = now + limits::kHelloAgain;
}

void Link::disconnect() {
  state = LinkState::disconnected;
  hello_pending = false;
}

bool Link::welcome(std::uint64_t new_epoch, proto::BrokerHello&& hello) {
  if (state != LinkState::greeting || hello_pending || hello.nonce != nonce) return false;
  broker = std::move(hello);
  broker.max_bundle =
      std::clamp<std::uint64_t>(broker.max_bundle, 1, std::uint64_t{samovar::limits::kMaxBundle});
  epoch = new_epoch;
  draining = drained_pending = false;
  declared.clear();
  state = LinkState::ready;
  return true;
}

void Link::refuse(Status status, std::string why, TimePoint until) {
  refused_as = status;
  refusal = std::move(why);
  refused_until = until;
}

void Link::forget() {
  cancels.clear();
  windows.clear();
  ping_pending = false;
}

std::optional<Hopeless> Link::hopeless(TimePoint now) const {
  if (state == LinkState::ready) {
    if (!draining) return std::nullopt;
    return Hopeless{Status::unavailable, going_away()};
  }
  const bool refuses = !refusal.empty() && (state == LinkState::refused || now < refused_until);
  return refuses ? std::optional(Hopeless{refused_as, refusal}) : std::nullopt;
}

}  // namespace samovar::client
