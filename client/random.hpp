// Chance for a session: seeded, so that its tests repeat (splitmix64).
#pragma once

#include <cstdint>

namespace samovar::client {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e37'79b9'7f4a'7c15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }

  // Evenly from [0, bound); `bound` is small.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }

  // Evenly from [0.5, 1): of a wait, so that those who failed together do not come back together.
  double jitter() { return 0.5 + static_cast<double>(next() >> 11) * 0x1p-54; }

 private:
  std::uint64_t state_;
};

}  // namespace samovar::client
