// All points in time at which the core has to do something by itself: a heap of timers that live inside the objects
// they wake. Set, move and cancel cost O(log n); the next one is known in O(1). Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "broker/core/types.hpp"

namespace samovar::broker {

// Embedded in its owner, which must cancel it before it dies and must not move while it is set.
class Timer {
 public:
  enum class Kind : std::uint8_t { request, stream, service, worker, drain };

  Timer(Kind kind, void* owner) : owner_(owner), kind_(kind) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  Kind kind() const { return kind_; }
  void* owner() const { return owner_; }
  bool is_set() const { return slot_ != kUnset; }

 private:
  friend class Timers;
  static constexpr std::uint32_t kUnset = 0xffff'ffff;

  void* const owner_;
  std::uint32_t slot_ = kUnset;
  const Kind kind_;
};

class Timers {
 public:
  // Sets the timer, or moves it when it is set.
  void set(Timer& timer, TimePoint at) {
    if (!timer.is_set()) {
      timer.slot_ = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back({at, &timer});
    }
    settle(timer.slot_, {at, &timer});
  }

  void cancel(Timer& timer) {
    if (!timer.is_set()) return;
    const std::size_t slot = timer.slot_;
    timer.slot_ = Timer::kUnset;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (last.timer != &timer) settle(slot, last);
  }

  std::optional<TimePoint> next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().at;
  }

  // Takes one timer whose time has come, or nullptr.
  Timer* pop_due(TimePoint now) {
    if (heap_.empty() || heap_.front().at > now) return nullptr;
    Timer* timer = heap_.front().timer;
    cancel(*timer);
    return timer;
  }

  std::size_t size() const { return heap_.size(); }

 private:
  // Of four children, which share a cache line or two: half as deep as with two.
  static constexpr std::size_t kChildren = 4;

  struct Entry {
    TimePoint at;
    Timer* timer;
  };

  void place(std::size_t slot, const Entry& entry) {
    heap_[slot] = entry;
    entry.timer->slot_ = static_cast<std::uint32_t>(slot);
  }

  // Puts an entry where it belongs: at the slot, which is free, above or below it.
  void settle(std::size_t slot, const Entry& entry) {
    const std::size_t from = slot;
    while (slot > 0) {
      const std::size_t parent = (slot - 1) / kChildren;
      if (heap_[parent].at <= entry.at) break;
      place(slot, heap_[parent]);
      slot = parent;
    }
    if (slot == from) {
      for (std::size_t child = kChildren * slot + 1; child < heap_.size(); child = kChildren * slot + 1) {
        const std::size_t end = std::min(child + kChildren, heap_.size());
        std::size_t first = child;
        for (std::size_t other = child + 1; other < end; ++other) {
          if (heap_[other].at < heap_[first].at) first = other;
        }
        if (entry.at <= heap_[first].at) break;
        place(slot, heap_[first]);
        slot = first;
      }
    }
    place(slot, entry);
  }

  std::vector<Entry> heap_;
};

}  // namespace samovar::broker
