// Small running estimates from which the core decides. None allocates; all are told the time or the sample.
#pragma once

#include <algorithm>
#include <optional>

#include "broker/core/types.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {

// A method's recent run times.
class RunTime {
 public:
  void sample(std::uint64_t run_us) {
    const double us = std::max(static_cast<double>(run_us), kFloorUs);
    samples_ = std::min(samples_ + 1, kSamples);
    if (!us_) us_ = low_us_ = us;
    *us_ += (us - *us_) * (us > *us_ ? kTowards : kAway);
    low_us_ += (us - low_us_) * (us < low_us_ ? kTowards : kAway);
    mean_us_ += (us - mean_us_) / samples_;
  }

  // A high quantile (about the 95th): it rises fast and falls slowly. Empty for a method that has not been measured.
  std::optional<double> us() const { return us_; }
  // Likewise about the 5th, and the mean of the last so many; 0 when nothing was measured.
  double low_us() const { return low_us_; }
  double mean_us() const { return mean_us_; }

 private:
  static constexpr double kFloorUs = 0.5;  // run times come in whole microseconds
  static constexpr double kTowards = 0.2;
  static constexpr double kAway = 0.01;
  static constexpr double kSamples = 50;
  std::optional<double> us_;
  double low_us_ = 0;
  double mean_us_ = 0;
  double samples_ = 0;
};

// How fast a service works off its queue. Measured only while requests wait, when all of its slots are in use: a slot is
// a place at a worker where one request runs.
class Pace {
 public:
  // To be told whenever one of the two may have changed: are there requests that wait, and how many slots.
  void at(TimePoint now, bool waiting, std::size_t slots) {
    if (waiting_) {
      const double us = std::chrono::duration<double, std::micro>(now - since_).count();
      waiting_us_ += us;
      slots_us_ += us * static_cast<double>(slots_);
      if (waiting_us_ >= kWindowUs && ended_ >= kEnough) roll();
    }
    since_ = now;
    waiting_ = waiting;
    slots_ = slots;
  }

  void ended(std::uint64_t run_us) {
    if (!waiting_) return;
    ended_ += 1;
    run_us_ += static_cast<double>(run_us);
  }

  // What a request takes of its slot's time beside its run: the way there and back, a worker that stands still, a core
  // that others use.
  double overhead_us() const { return overhead_us_; }

  // How long it takes to work off so many.
  Duration time_for(std::size_t queued) const {
    const double us = per_request_us_ > 0 ? per_request_us_ : kUnmeasuredUs;
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double, std::micro>(static_cast<double>(queued) * us));
  }

 private:
  void roll() {
    const double overhead = std::max(0.0, (slots_us_ - run_us_) / ended_);
    const double per_request = waiting_us_ / ended_;
    const double weight = per_request_us_ > 0 ? 0.5 : 1;
    overhead_us_ += (overhead - overhead_us_) * weight;
    per_request_us_ += (per_request - per_request_us_) * weight;
    waiting_us_ = slots_us_ = run_us_ = ended_ = 0;
  }

  static constexpr double kWindowUs = 100'000;
  static constexpr double kEnough = 16;
  static constexpr double kUnmeasuredUs = 1000;
  TimePoint since_{};
  bool waiting_ = false;
  std::size_t slots_ = 0;
  double waiting_us_ = 0, slots_us_ = 0, run_us_ = 0, ended_ = 0;  // of this window
  double overhead_us_ = 0;
  double per_request_us_ = 0;
};

// So many a second, and a second's worth at once.
class RateLimit {
 public:
  // Zero when one more may pass, which is counted; else how long until it may.
  Duration pass(TimePoint now, double per_second) {
    const double seconds = std::chrono::duration<double>(now - since_).count();
    allowed_ = std::min(allowed_ + seconds * per_second, per_second);
    since_ = now;
    if (allowed_ >= 1) return allowed_ -= 1, Duration{};
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>((1 - allowed_) / per_second)) +
           Duration{1};
  }

 private:
  TimePoint since_{};  // long ago
  double allowed_ = 0;
};

// Retries after worker_lost may be a tenth of recent requests, and a few when there is little traffic.
class RetryBudget {
 public:
  void earn() { tokens_ = std::min(tokens_ + limits::kRetryBudget, kMost); }
  bool spend() {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  static constexpr double kMost = 100;
  double tokens_ = 10;
};

}  // namespace samovar::broker
