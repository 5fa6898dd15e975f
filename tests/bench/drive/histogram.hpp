// How often each latency occurred, in buckets that are less than 1 % wide.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace samovar::bench {

class Histogram {
 public:
  void add(std::uint64_t ns) {
    ++counts_[bucket_of(ns)];
    ++total_;
    max_ = std::max(max_, ns);
  }

  std::uint64_t total() const { return total_; }
  std::uint64_t max() const { return max_; }

  // The middle of the bucket below which `share` of all lie; 0 when there are none.
  std::uint64_t quantile(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return std::min(max_, middle_of(i));
    }
    return max_;
  }

 private:
  static constexpr int kBits = 7;  // of precision
  static constexpr std::uint64_t kSteps = 1u << kBits;

  static std::size_t bucket_of(std::uint64_t ns) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - kBits - 1);
    return static_cast<std::size_t>(static_cast<std::uint64_t>(shift) * kSteps + (ns >> shift));
  }
  static std::uint64_t middle_of(std::size_t bucket) {
    if (bucket < 2 * kSteps) return bucket;
    const std::uint64_t shift = bucket / kSteps - 1;
    return ((bucket - shift * kSteps) << shift) + ((std::uint64_t{1} << shift) >> 1);
  }

  std::array<std::uint64_t, (64 - kBits + 1) * kSteps> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace samovar::bench
