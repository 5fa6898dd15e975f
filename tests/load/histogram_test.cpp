#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/catch.hpp"
#include "tools/load/histogram.hpp"

using samovar::load::Distribution;
using samovar::load::Histogram;
using samovar::load::Nanoseconds;

namespace {

double exact_percentile(const std::vector<std::int64_t>& sorted, double percent) {
  const auto rank =
      static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(sorted.size()) - 1e-6));
  return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]);
}

}  // namespace

TEST_CASE("percentiles are less than 0.1 % from the exact ones, whatever the values are") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  // From 1 us to hours, evenly over the orders of magnitude.
  std::uniform_real_distribution<double> exponent(3, 13.5);
  std::vector<std::int64_t> values(1000 * seed + 7);
  Histogram histogram;
  for (auto& value : values) {
    value = std::llround(std::pow(10, exponent(random)));
    histogram.record(Nanoseconds(value));
  }
  std::sort(values.begin(), values.end());
  const auto taken = histogram.take();
  CHECK(taken.count() == values.size());
  CHECK(taken.min() == static_cast<double>(values.front()));
  CHECK(taken.max() == static_cast<double>(values.back()));
  for (const double percent : {0.1, 1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    CAPTURE(percent);
    const double exact = exact_percentile(values, percent);
    CHECK(std::abs(taken.percentile(percent) - exact) <= exact * 0.001);
  }
}

TEST_CASE("every value lies in the bucket that stands for it") {
  for (std::uint64_t value = 1; value < Histogram::kLargest; value += value / 700 + 1) {
    const auto index = Histogram::index_of(value);
    REQUIRE(index < Histogram::kBuckets);
    REQUIRE(std::abs(Distribution::value_of(index) - static_cast<double>(value)) <=
            static_cast<double>(value) * 0.0005);
  }
  CHECK(Histogram::index_of(Histogram::kLargest) == Histogram::kBuckets - 1);
}

TEST_CASE("merged distributions are the distribution of all values") {
  std::mt19937_64 random(7);
  std::exponential_distribution<double> latency(1e-6);
  Histogram all;
  Histogram parts[3];
  for (int i = 0; i < 3000; ++i) {
    const Nanoseconds value(std::llround(latency(random)));
    all.record(value);
    parts[i % 3].record(value);
  }
  Distribution merged;
  for (auto& part : parts) merged.merge(part.take());
  const auto whole = all.take();
  CHECK(merged.buckets() == whole.buckets());
  CHECK(merged.count() == 3000);
  CHECK(merged.min() == whole.min());
  CHECK(merged.max() == whole.max());
  CHECK(merged.mean() == Approx(whole.mean()));
}

TEST_CASE("values beyond the range are kept at its ends, and an empty distribution is all 0") {
  Histogram histogram;
  CHECK(histogram.take().percentile(99) == 0);
  histogram.record(Nanoseconds(-5));
  histogram.record(std::chrono::hours(100));
  const auto taken = histogram.take();
  CHECK(taken.min() == 0);
  CHECK(taken.max() == static_cast<double>(Histogram::kLargest));
  CHECK(histogram.take().empty());
}
