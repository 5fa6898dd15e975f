// A call together with the caller that waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <samovar/detail/callback.hpp>

#include "client/call.hpp"

namespace samovar::detail {

// A thread that waits for one call. Lives on that thread's stack.
class Waiter {
 public:
  enum class Woken : std::uint8_t { ended, promoted, timed_out };

  Woken sleep(std::optional<client::TimePoint> until) {
    std::unique_lock lock(mutex_);
    const auto woken = [this] { return ended_ || promoted_; };
    if (!until) {
      condition_.wait(lock, woken);
    } else if (!condition_.wait_until(lock, *until, woken)) {
      return Woken::timed_out;
    }
    if (ended_) return Woken::ended;
    promoted_ = false;
    return Woken::promoted;
  }

  // Notify under the lock: the waiter may be gone as soon as it is released.
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    condition_.notify_one();
  }
  void promote() {
    const std::lock_guard lock(mutex_);
    promoted_ = true;
    condition_.notify_one();
  }

  // The driver's, under its mutex.
  Waiter* previous = nullptr;
  Waiter* next = nullptr;
  bool leads = false;

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool ended_ = false;
  bool promoted_ = false;
};

struct PendingCall : client::Call {
  bool ended() const { return waiter_.load(std::memory_order_acquire) == &kEnded; }

  // False when the call has ended: nobody will wake the waiter. One waiter at a time.
  bool attach(Waiter& waiter) {
    Waiter* nobody = nullptr;
    return waiter_.compare_exchange_strong(nobody, &waiter, std::memory_order_acq_rel);
  }
  // Before the waiter leaves. True when the call has ended.
  bool detach(Waiter& waiter) {
    Waiter* expected = &waiter;
    if (waiter_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel)) return false;
    while (waiter.sleep(std::nullopt) != Waiter::Woken::ended) {  // whoever ends the call is about to say so
    }
    return true;
  }

  void end(Outcome how) {
    outcome = std::move(how);
    if (Waiter* waiter = waiter_.exchange(&kEnded, std::memory_order_acq_rel)) waiter->end();
  }

  std::shared_ptr<Driver> driver;  // of a Future's call
  Callback callback;               // or none: somebody waits, or will
  Outcome outcome;                 // once ended, without a callback

 private:
  static Waiter kEnded;
  std::atomic<Waiter*> waiter_{nullptr};
};

}  // namespace samovar::detail
