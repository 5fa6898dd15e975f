// samovar-bench-core: nanoseconds per request in the core alone, by Google Benchmark.
#include <benchmark/benchmark.h>

#include "tests/bench/core/feed.hpp"

namespace {

using namespace samovar::bench;

// Codec, dispatch, answer and outbox of a request; what peers do is timed too, and is the same for all sizes.
void dispatched_and_answered(benchmark::State& state) {
  const auto range = [&](std::size_t i) { return static_cast<std::size_t>(state.range(i)); };
  Feed feed({range(0), range(1), range(2), range(3)});
  Meter none;
  for (auto _ : state) feed.step(none);
  state.SetItemsProcessed(state.iterations() * state.range(3));
}

constexpr std::int64_t kRequests = 50'000;

BENCHMARK(dispatched_and_answered)
    ->ArgNames({"clients", "workers", "queued", "bundle"})
    ->ArgsProduct({{1, 100, 10'000}, {1, 64, 1'000}, {0, 1'000'000}, {1}})
    ->Iterations(kRequests);
BENCHMARK(dispatched_and_answered)
    ->ArgNames({"clients", "workers", "queued", "bundle"})
    ->ArgsProduct({{1}, {1}, {0}, {8, 64}})
    ->Iterations(kRequests / 8);

}  // namespace

BENCHMARK_MAIN();
