// Starts the calls of an open loop at their times. When it comes too late, because the machine was busy, it makes up
// for it at once: no call is left out, and each one's latency counts from when it was to start.
#pragma once

#include <algorithm>
#include <ctime>

#include "tools/load/arrivals.hpp"
#include "tools/load/recorder.hpp"

namespace samovar::load {

// The time, and how to wait for it.
struct RealTime {
  static TimePoint now() { return Clock::now(); }
  // Sleeps until then, or for a tenth of a second, so that somebody can look around.
  static void sleep_until(TimePoint then) {
    using namespace std::chrono_literals;
    const auto ns = std::min(then, now() + Nanoseconds(100ms)).time_since_epoch() / Nanoseconds(1);
    const timespec time{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
  }
};

// Calls start(intended) for each arrival, until there are no more or `stopped()`. Gives how late each one was.
template <typename Time, typename Start, typename Stopped>
Distribution pace(Arrivals& arrivals, TimePoint begin, Time& time, const Start& start,
                  const Stopped& stopped) {
  Histogram lateness;
  while (const auto arrival = arrivals.next()) {
    const TimePoint intended = begin + *arrival;
    TimePoint now = time.now();
    while (now < intended && !stopped()) {
      time.sleep_until(intended);
      now = time.now();
    }
    if (stopped() || !start(intended)) break;
    lateness.record(now - intended);
  }
  return lateness.take();
}

}  // namespace samovar::load
