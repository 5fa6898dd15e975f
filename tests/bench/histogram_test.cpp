#include "tests/bench/drive/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/catch.hpp"

using samovar::bench::Histogram;

TEST_CASE("Quantiles are within one percent of the exact ones") {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latencies(11.0, 2.0);
  Histogram histogram;
  std::vector<std::uint64_t> exact;
  for (int i = 0; i < 20'000; ++i) {
    exact.push_back(static_cast<std::uint64_t>(latencies(random)));
    histogram.add(exact.back());
  }
  std::sort(exact.begin(), exact.end());
  for (const double share : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto wanted =
        static_cast<double>(exact[static_cast<std::size_t>(share * static_cast<double>(exact.size()))]);
    const auto got = static_cast<double>(histogram.quantile(share));
    CHECK(std::abs(got - wanted) <= 0.01 * wanted + 1);
  }
  CHECK(histogram.max() == exact.back());
  CHECK(histogram.quantile(1.0) == exact.back());
}

TEST_CASE("The largest and the smallest values have a bucket") {
  Histogram histogram;
  CHECK(histogram.quantile(0.5) == 0);
  histogram.add(0);
  histogram.add(~std::uint64_t{0});
  CHECK(histogram.total() == 2);
  CHECK(histogram.quantile(0.0) == 0);
  CHECK(histogram.max() == ~std::uint64_t{0});
}
