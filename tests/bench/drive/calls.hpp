// The closed loop that all transports share: which calls are under way, for how long, and what was measured.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/drive/cpu.hpp"
#include "tools/load/histogram.hpp"

namespace samovar::bench {

using Clock = std::chrono::steady_clock;

struct LoopOptions {
  std::size_t outstanding = 1;
  std::chrono::microseconds warm_up{200'000};
  std::chrono::microseconds duration{500'000};
  std::chrono::microseconds pause{0};  // between the end of a call and the next one of its slot
  std::vector<Watched> watch;          // whose CPU time is measured beside this process's
};

// A slot is a place for one outstanding call; there are `outstanding` of them. A transport begins a call in each, and
// goes on with those for which end() says so, until none is left. Not thread-safe: one thread at a time.
class Calls {
 public:
  explicit Calls(LoopOptions options);

  std::size_t outstanding() const { return options_.outstanding; }
  // No call is under way and none is to begin.
  bool over() const { return stopped_ == options_.outstanding; }

  // A call is about to be sent in this slot.
  void begin(std::size_t slot) { began_[slot] = last_ = Clock::now(); }
  // A call is sent in a slot whose end() has just returned true: saves a reading of the clock.
  void begin_again(std::size_t slot) {
    began_[slot] = last_;
    if (options_.pause.count() != 0) wait_and_begin(slot);
  }
  // The answer is there. True: make the next call in this slot.
  bool end(std::size_t slot);

  // One line of JSON; `extra` goes into it as it is.
  std::string report(const std::string& extra);

 private:
  enum class Phase { warm_up, measuring, over };

  void wait_and_begin(std::size_t slot);
  void next_phase();

  const LoopOptions options_;
  const std::vector<Watched> processes_;
  std::vector<Clock::time_point> began_;  // by slot
  Clock::time_point last_ = Clock::now();
  Clock::time_point phase_ends_;
  Phase phase_ = Phase::warm_up;
  std::size_t stopped_ = 0;
  load::Histogram latencies_;
  Clock::time_point start_;
  Clock::time_point stop_;
  std::vector<std::uint64_t> cpu_at_start_;
  std::vector<std::uint64_t> cpu_at_stop_;
};

}  // namespace samovar::bench
