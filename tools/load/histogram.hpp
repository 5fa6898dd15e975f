// Counts durations at 3 significant digits. A Histogram takes them in, one increment each; a Distribution is what was
// taken in: it can be merged, sent to another process and asked for percentiles.
//
// Buckets are log-linear: up to 2,047 ns each value has its own, above that each power of two is cut into 1,024, up
// to 9 hours. What a percentile says is off by less than 0.05 %; the smallest and the largest value are exact.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <vector>

namespace samovar::load {

using Nanoseconds = std::chrono::nanoseconds;

struct Bucket {
  std::uint32_t index;
  std::uint64_t count;
  bool operator==(const Bucket&) const = default;
};

class Distribution {
 public:
  Distribution() = default;
  // The buckets in the order of their indices, none of them empty.
  Distribution(std::vector<Bucket> buckets, std::int64_t least, std::int64_t most, double sum);

  void merge(const Distribution& other);

  std::uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // All of these in nanoseconds; 0 when empty.
  double min() const { return static_cast<double>(least_); }
  double max() const { return static_cast<double>(most_); }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The least value that at least `percent` percent of the values do not exceed.
  double percentile(double percent) const;
  // How many values are in the bucket of this one or in lower ones.
  std::uint64_t count_up_to(double ns) const;
  // The standard deviation.
  double deviation() const;

  const std::vector<Bucket>& buckets() const { return buckets_; }
  double sum() const { return sum_; }

  // The middle of a bucket, in nanoseconds.
  static double value_of(std::uint32_t index);

 private:
  std::vector<Bucket> buckets_;
  std::uint64_t count_ = 0;
  std::int64_t least_ = 0;
  std::int64_t most_ = 0;
  double sum_ = 0;
};

class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  // A value below 0 counts as 0.
  void record(Nanoseconds value) {
    const std::int64_t ns = std::clamp<std::int64_t>(value.count(), 0, kLargest);
    ++counts_[index_of(static_cast<std::uint64_t>(ns))];
    least_ = std::min(least_, ns);
    most_ = std::max(most_, ns);
    sum_ += static_cast<double>(ns);
    ++count_;
  }

  // What was recorded since the last time.
  Distribution take();

  static std::uint32_t index_of(std::uint64_t ns) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - kDigits);
    return static_cast<std::uint32_t>(shift) * kHalf + static_cast<std::uint32_t>(ns >> shift);
  }

  static constexpr int kDigits = 11;  // binary: 2,048 steps, so that 1,000 of them are always there
  static constexpr std::uint32_t kHalf = 1U << (kDigits - 1);
  static constexpr int kLargestBits = 45;  // 9.7 hours
  static constexpr std::int64_t kLargest = (std::int64_t{1} << kLargestBits) - 1;
  static constexpr std::uint32_t kBuckets = (kLargestBits - kDigits + 2) * kHalf;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::int64_t least_ = kLargest;
  std::int64_t most_ = 0;
  double sum_ = 0;
};

}  // namespace samovar::load
