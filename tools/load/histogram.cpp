#include "tools/load/histogram.hpp"

#include <cmath>
#include <utility>

namespace samovar::load {

Distribution::Distribution(std::vector<Bucket> buckets, std::int64_t least, std::int64_t most, double sum)
    : buckets_(std::move(buckets)), least_(least), most_(most), sum_(sum) {
  for (const auto& bucket : buckets_) count_ += bucket.count;
}

void Distribution::merge(const Distribution& other) {
  if (other.empty()) return;
  if (empty()) {
    *this = other;
    return;
  }
  std::vector<Bucket> merged;
  merged.reserve(buckets_.size() + other.buckets_.size());
  auto ours = buckets_.begin();
  for (const auto& theirs : other.buckets_) {
    while (ours != buckets_.end() && ours->index < theirs.index) merged.push_back(*ours++);
    if (ours != buckets_.end() && ours->index == theirs.index) {
      merged.push_back({theirs.index, theirs.count + ours++->count});
    } else {
      merged.push_back(theirs);
    }
  }
  merged.insert(merged.end(), ours, buckets_.end());
  buckets_ = std::move(merged);
  count_ += other.count_;
  least_ = std::min(least_, other.least_);
  most_ = std::max(most_, other.most_);
  sum_ += other.sum_;
}

double Distribution::percentile(double percent) const {
  if (empty()) return 0;
  // The small number: 99.9 / 100 * 1000 is a little more than 999.
  const double exact = percent / 100 * static_cast<double>(count_);
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(exact - 1e-6)));
  std::uint64_t seen = 0;
  for (const auto& bucket : buckets_) {
    seen += bucket.count;
    if (seen >= rank) return rank >= count_ ? max() : std::clamp(value_of(bucket.index), min(), max());
  }
  return max();
}

std::uint64_t Distribution::count_up_to(double ns) const {
  const auto last = Histogram::index_of(static_cast<std::uint64_t>(ns));
  std::uint64_t seen = 0;
  for (const auto& bucket : buckets_) seen += bucket.index <= last ? bucket.count : 0;
  return seen;
}

double Distribution::deviation() const {
  double squares = 0;
  for (const auto& bucket : buckets_) {
    squares += std::pow(value_of(bucket.index) - mean(), 2) * static_cast<double>(bucket.count);
  }
  return empty() ? 0 : std::sqrt(squares / static_cast<double>(count_));
}

double Distribution::value_of(std::uint32_t index) {
  if (index < 2 * Histogram::kHalf) return index;
  const std::uint32_t shift = index / Histogram::kHalf - 1;
  const std::uint64_t low = std::uint64_t{index - shift * Histogram::kHalf} << shift;
  return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
}

Distribution Histogram::take() {
  if (count_ == 0) return {};
  std::vector<Bucket> buckets;
  const auto last = index_of(static_cast<std::uint64_t>(most_));
  for (auto index = index_of(static_cast<std::uint64_t>(least_)); index <= last; ++index) {
    if (counts_[index] != 0) buckets.push_back({index, std::exchange(counts_[index], 0)});
  }
  Distribution taken(std::move(buckets), least_, most_, sum_);
  count_ = 0;
  least_ = kLargest;
  most_ = 0;
  sum_ = 0;
  return taken;
}

}  // namespace samovar::load
