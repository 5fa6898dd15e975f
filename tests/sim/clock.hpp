// The simulator's time and chance: nothing happens but what the scheduler runs, and nothing is random but by the seed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <random>

namespace samovar::sim {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t next() { return engine_(); }
  // 0 to bound - 1
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  bool chance(double probability) { return static_cast<double>(engine_() >> 11) * 0x1p-53 < probability; }
  Duration between(Duration low, Duration high) {
    return low +
           Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>((high - low).count()) + 1)));
  }
  template <typename T>
  T pick(std::initializer_list<T> of) {
    return *(of.begin() + below(of.size()));
  }

 private:
  std::mt19937_64 engine_;
};

// Runs what is planned in the order of time; of equal times, what was planned first.
class Scheduler {
 public:
  Time now() const { return now_; }
  void at(Time time, std::function<void()> act) { plans_.emplace(std::max(time, now_), std::move(act)); }
  void after(Duration delay, std::function<void()> act) { at(now_ + delay, std::move(act)); }
  // False when nothing is planned before `until`; the time is `until` then.
  bool step(Time until) {
    if (plans_.empty() || plans_.begin()->first > until) {
      now_ = until;
      return false;
    }
    const auto plan = plans_.extract(plans_.begin());
    now_ = plan.key();
    plan.mapped()();
    return true;
  }

 private:
  Time now_{std::chrono::hours(1000)};
  std::multimap<Time, std::function<void()>> plans_;
};

}  // namespace samovar::sim
