// How well one of several brokers serves this client: how long its replies take, and whether it had better be left alone
// for a while. A broker that failed (its connection broke, or a call's time was up without a word of it) gets no calls until
// it has answered a ping, which it gets after a back-off.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include "client/call.hpp"
#include "client/limits.hpp"

namespace samovar::client {

class Health {
 public:
  bool trusted() const { return failures_ == 0; }

  // It has said something about a call.
  void answered() {
    failures_ = 0;
    pinged_ = false;
  }
  // And that was a result, so long after the call was sent.
  void took(Duration time, TimePoint now) {
    const double us = std::chrono::duration<double, std::micro>(time).count();
    latency_us_ = latency_us_ == 0 ? us : latency_us_ + (us - latency_us_) * kWeight;
    measured_ = now;
  }

  // `jitter`: of Random.
  void failed(TimePoint now, double jitter) {
    const auto wait =
        std::min<Duration>(limits::kEjected * (1 << std::min(failures_, 16)), limits::kEjectedLongest);
    again_ = now + std::chrono::duration_cast<Duration>(wait * jitter);
    failures_ += 1;
    pinged_ = false;
  }

  // When there is something to do, of one that is not trusted: to ping it, or to give up on that.
  TimePoint due() const { return again_; }
  // True: it is to be pinged now.
  bool tick(TimePoint now, double jitter) {
    if (pinged_) return failed(now, jitter), false;
    pinged_ = true;
    again_ = now + limits::kPing;
    return true;
  }

  // Of its recent replies; an old figure counts less and less, so that one that was slow is tried again. 0: unknown.
  double latency_us(TimePoint now) const {
    return latency_us_ * std::exp2(-std::chrono::duration<double>(now - measured_).count());
  }

 private:
  static constexpr double kWeight = 0.05;
  int failures_ = 0;  // since it has answered last
  bool pinged_ = false;
  TimePoint again_{};
  double latency_us_ = 0;
  TimePoint measured_{};
};

// Whether a broker with so many calls of this client and such a latency is a better choice for the next one. Latencies
// count where one is twice the other: what lies within that is chance, and would make brokers of equal speed unequally busy.
inline bool better(std::size_t calls, double latency, std::size_t other_calls, double other_latency) {
  double load = static_cast<double>(calls + 1);
  double other_load = static_cast<double>(other_calls + 1);
  if (latency > 2 * other_latency && other_latency > 0) load *= latency / other_latency;
  if (other_latency > 2 * latency && latency > 0) other_load *= other_latency / latency;
  return load < other_load;
}

}  // namespace samovar::client
