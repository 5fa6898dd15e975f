// The simulator's time and chance: nothing happens but what the scheduler runs, and nothing is random but by the seed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>
#include <tuple>
#include <vector>

namespace samovar::sim {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// SplitMix64: a generator costs one number, so that each call, fault and process has its own, and leaving out one leaves
// the others as they are.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  Random(std::uint64_t seed, std::string_view of, std::uint64_t index = 0) : state_(seed) {
    for (const char c : of) state_ = next() ^ static_cast<unsigned char>(c);
    state_ = next() ^ index;
    state_ = next();
  }
  std::uint64_t next() {
    std::uint64_t mixed = state_ += 0x9e37'79b9'7f4a'7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11eb;
    return mixed ^ (mixed >> 31);
  }
  // 0 to bound - 1
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool chance(double probability) { return static_cast<double>(next() >> 11) * 0x1p-53 < probability; }
  Duration between(Duration low, Duration high) {
    return low +
           Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>((high - low).count()) + 1)));
  }
  template <typename T>
  T pick(std::initializer_list<T> of) {
    return *(of.begin() + below(of.size()));
  }

 private:
  std::uint64_t state_;
};

// Runs what is planned in the order of time; of equal times, what was planned first.
class Scheduler {
 public:
  Time now() const { return now_; }
  void at(Time time, std::function<void()> act) {
    plans_.push_back({std::max(time, now_), ++serial_, std::move(act)});
    std::push_heap(plans_.begin(), plans_.end());
  }
  void after(Duration delay, std::function<void()> act) { at(now_ + delay, std::move(act)); }
  // False when nothing is planned before `until`; the time is `until` then.
  bool step(Time until) {
    if (plans_.empty() || plans_.front().time > until) {
      now_ = until;
      return false;
    }
    std::pop_heap(plans_.begin(), plans_.end());
    const Plan plan = std::move(plans_.back());
    plans_.pop_back();
    now_ = plan.time;
    plan.act();
    return true;
  }

 private:
  struct Plan {
    Time time;
    std::uint64_t serial;
    std::function<void()> act;
    bool operator<(const Plan& other) const {
      return std::tie(other.time, other.serial) < std::tie(time, serial);
    }
  };

  Time now_{std::chrono::hours(1000)};
  std::uint64_t serial_ = 0;
  std::vector<Plan> plans_;  // a heap
};

}  // namespace samovar::sim
