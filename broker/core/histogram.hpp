// How often something took how long, in a few buckets: what a monitoring system can add up over time and machines.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace samovar::broker {

class Histogram {
 public:
  // Upper bounds in microseconds; beyond the last one is one bucket more.
  static constexpr std::array<std::uint64_t, 16> kBoundsUs{
      100,    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,
      50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};

  void add(std::uint64_t us) {
    const auto at = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us);
    counts_[static_cast<std::size_t>(at - kBoundsUs.begin())] += 1;
    sum_us_ += us;
  }

  const std::array<std::uint64_t, kBoundsUs.size() + 1>& counts() const { return counts_; }
  std::uint64_t sum_us() const { return sum_us_; }

 private:
  std::array<std::uint64_t, kBoundsUs.size() + 1> counts_{};
  std::uint64_t sum_us_ = 0;
};

}  // namespace samovar::broker
