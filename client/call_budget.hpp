// What keeps retries and hedges from multiplying the load: a share of the calls, saved up to a few; and chance, so that callers
// who failed together do not come back together.
#pragma once

#include <algorithm>
#include <cstdint>

namespace samovar::client {

class CallBudget {
 public:
  CallBudget(double share, std::uint64_t seed) : share_(share), state_(seed) {}

  void earn() { tokens_ = std::min(tokens_ + share_, kMost); }
  bool spend() {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

  // Evenly from [0.5, 1).
  double jitter() {
    state_ += 0x9e37'79b9'7f4a'7c15;  // splitmix64
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    z ^= z >> 31;
    return 0.5 + static_cast<double>(z >> 11) * 0x1p-54;
  }

 private:
  static constexpr double kMost = 100;
  double share_;
  double tokens_ = 10;  // a client that makes few calls may make each of them again
  std::uint64_t state_;
};

}  // namespace samovar::client
