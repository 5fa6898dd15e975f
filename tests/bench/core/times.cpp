// samovar-bench-core: nanoseconds per request in the core alone, by Google Benchmark.
#include <benchmark/benchmark.h>

#include "tests/bench/core/feed.hpp"

namespace {

using namespace samovar::bench;

// Codec, dispatch, answer and outbox of one request; what peers do is timed too, and is the same for all sizes.
void dispatched_and_answered(benchmark::State& state) {
  Feed feed({static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)),
             static_cast<std::size_t>(state.range(2))});
  Meter none;
  for (auto _ : state) feed.step(none);
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(dispatched_and_answered)
    ->ArgNames({"clients", "workers", "queued"})
    ->ArgsProduct({{1, 100, 10'000}, {1, 64, 1'000}, {0, 1'000'000}})
    ->Iterations(50'000);

}  // namespace

BENCHMARK_MAIN();
