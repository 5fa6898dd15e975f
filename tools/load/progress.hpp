// What the processes of a run see of each other while it goes on. It lies in memory that they share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace samovar::load {

struct alignas(64) Counters {
  std::atomic<std::uint64_t> ok{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> latency_us{0};  // the sum over those that succeeded
};

// Each connection adds to counters of its own: no two threads write to the same ones.
inline void add(std::atomic<std::uint64_t>& counter, std::uint64_t more) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

struct Progress {
  static constexpr unsigned kMostConnections = 1024;  // of all processes together

  std::atomic<bool> stop{false};  // the run is to end early
  std::array<Counters, kMostConnections> counters;
};

}  // namespace samovar::load
