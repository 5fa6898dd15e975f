// All points in time at which the core has to do something by itself: a binary heap of timers that live inside
// the objects they wake. Set, move and cancel cost O(log n); the next one is known in O(1). Not thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "broker/core/types.hpp"

namespace samovar::broker {

// Embedded in its owner, which must cancel it before it dies and must not move while it is set.
struct Timer {
  enum class Kind : std::uint8_t { request, service, worker, drain };

  explicit Timer(Kind timer_kind, void* timer_owner) : kind(timer_kind), owner(timer_owner) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  bool is_set() const { return slot != kUnset; }

  static constexpr std::size_t kUnset = static_cast<std::size_t>(-1);
  const Kind kind;
  void* const owner;
  TimePoint at{};
  std::size_t slot = kUnset;
};

class Timers {
 public:
  // Sets the timer, or moves it when it is set.
  void set(Timer& timer, TimePoint at) {
    const bool fresh = !timer.is_set();
    timer.at = at;
    if (fresh) {
      timer.slot = heap_.size();
      heap_.push_back(&timer);
    }
    sift_down(sift_up(timer.slot));
  }

  void cancel(Timer& timer) {
    if (!timer.is_set()) return;
    const std::size_t slot = timer.slot;
    Timer* last = heap_.back();
    heap_.pop_back();
    timer.slot = Timer::kUnset;
    if (last == &timer) return;
    place(slot, last);
    sift_down(sift_up(slot));
  }

  std::optional<TimePoint> next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front()->at;
  }

  // Takes one timer whose time has come, or nullptr.
  Timer* pop_due(TimePoint now) {
    if (heap_.empty() || heap_.front()->at > now) return nullptr;
    Timer* timer = heap_.front();
    cancel(*timer);
    return timer;
  }

  std::size_t size() const { return heap_.size(); }

 private:
  void place(std::size_t slot, Timer* timer) {
    heap_[slot] = timer;
    timer->slot = slot;
  }

  std::size_t sift_up(std::size_t slot) {
    Timer* timer = heap_[slot];
    while (slot > 0) {
      const std::size_t parent = (slot - 1) / 2;
      if (heap_[parent]->at <= timer->at) break;
      place(slot, heap_[parent]);
      slot = parent;
    }
    place(slot, timer);
    return slot;
  }

  void sift_down(std::size_t slot) {
    Timer* timer = heap_[slot];
    for (;;) {
      std::size_t child = 2 * slot + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1]->at < heap_[child]->at) ++child;
      if (timer->at <= heap_[child]->at) break;
      place(slot, heap_[child]);
      slot = child;
    }
    place(slot, timer);
  }

  std::vector<Timer*> heap_;
};

}  // namespace samovar::broker
