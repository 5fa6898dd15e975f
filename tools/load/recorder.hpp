// Takes in what one connection measures, from one thread at a time: a few additions for each call.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <samovar/error.hpp>
#include <samovar/result.hpp>

#include "tools/load/histogram.hpp"
#include "tools/load/tally.hpp"

namespace samovar::load {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

class Recorder {
 public:
  // Calls that end after `window_end` count, but not for the throughput.
  Recorder(TimePoint start, TimePoint window_end)
      : start_(start), window_end_(window_end), slice_end_(start + Timeline::kFinest) {}

  // A call that was to start at `intended` has succeeded.
  void succeeded(TimePoint intended, TimePoint now) {
    if (now >= slice_end_) close_slice(now);
    latency_.record(now - intended);
    ++slice_.ok;
    ok_in_window_ += now <= window_end_ ? 1 : 0;
    last_ = now;
  }
  void failed(const Error& error, TimePoint intended, TimePoint now);
  void sampled(const Metadata& metadata);

  Tally take();

 private:
  void close_slice(TimePoint now);

  const TimePoint start_;
  const TimePoint window_end_;
  TimePoint slice_end_;
  TimePoint last_ = start_;
  Slice slice_;
  Histogram latency_;  // of this slice
  Histogram queued_;
  Histogram running_;
  std::uint64_t ok_in_window_ = 0;
  std::array<Failures, kStatusCount> failures_;
  std::array<std::unique_ptr<Histogram>, kStatusCount> failed_latency_;  // of those that there are
  Timeline timeline_;
};

}  // namespace samovar::load
