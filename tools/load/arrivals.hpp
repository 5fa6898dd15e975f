// When the calls of an open loop are to start, whatever became of the earlier ones.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "tools/load/histogram.hpp"

namespace samovar::load {

enum class Spacing : std::uint8_t { even, poisson };

// A rate that changes evenly from one value to another, in calls per second.
struct Rates {
  double from = 0;
  double to = 0;
};

class Arrivals {
 public:
  // One of `shares` processes that make the calls of these rates together: with even spacing they take turns, with
  // Poisson arrivals each has its own.
  Arrivals(Rates rates, Nanoseconds duration, Spacing spacing, std::uint64_t seed, unsigned share = 0,
           unsigned shares = 1);

  // The next start, counted from the start of the run; none after its end.
  std::optional<Nanoseconds> next();

 private:
  const Rates rates_;
  const double duration_s_;
  const Spacing spacing_;
  const double step_;  // how many calls of all shares one call of this share stands for
  double calls_;       // of all shares before the next one
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_;
};

}  // namespace samovar::load
