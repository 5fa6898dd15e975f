// Small running estimates from which the core decides. None allocates; all are told the time or the sample.
#pragma once

#include <algorithm>
#include <optional>

#include "broker/core/types.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {

// A high quantile (about the 95th) of a method's recent run times: it rises fast and falls slowly.
class RunTime {
 public:
  void sample(std::uint64_t run_us) {
    const double us = std::max(static_cast<double>(run_us), kFloorUs);
    if (!us_) {
      us_ = us;
    } else {
      *us_ += (us - *us_) * (us > *us_ ? kRise : kFall);
    }
  }

  // Empty for a method that has not been measured.
  std::optional<double> us() const { return us_; }

 private:
  static constexpr double kFloorUs = 0.5;  // run times come in whole microseconds
  static constexpr double kRise = 0.2;
  static constexpr double kFall = 0.01;
  std::optional<double> us_;
};

// How many requests a service ends per second, over about the last half second.
class DrainRate {
 public:
  void ended(TimePoint now) {
    roll(now);
    ++count_;
  }

  // How long `queued` requests take at that rate: what an overloaded caller is told to wait.
  Duration time_for(std::size_t queued, TimePoint now) {
    roll(now);
    const double per_second = std::max(rate_, 1.0);
    const double seconds = std::clamp(static_cast<double>(queued) / per_second, 0.001, 10.0);
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }

 private:
  void roll(TimePoint now) {
    const double seconds = std::chrono::duration<double>(now - since_).count();
    if (seconds < kWindowSeconds) return;
    const double recent = static_cast<double>(count_) / seconds;
    rate_ = rate_ == 0 ? recent : 0.5 * rate_ + 0.5 * recent;
    count_ = 0;
    since_ = now;
  }

  static constexpr double kWindowSeconds = 0.25;
  TimePoint since_{};
  std::uint64_t count_ = 0;
  double rate_ = 0;
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
