// A call together with the caller that waits for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <samovar/detail/callback.hpp>

#include "client/call.hpp"
#include "client/suspension.hpp"

namespace samovar::detail {

// A thread that waits for one call. Lives on that thread's stack.
class Waiter {
 public:
  enum class Woken : std::uint8_t { ended, promoted, timed_out };

  Woken sleep(std::optional<client::TimePoint> until);

  // The waiter may be gone as soon as end() has set its bit: what follows uses its address, not its content.
  void end() {
    auto* const address = &word_;
    if ((word_.fetch_or(kEnded, std::memory_order_acq_rel) & kSleeps) != 0) wake(address);
  }
  // While something else keeps the waiter alive. It may sleep on until wake() is called with what this returns, at any
  // later time.
  void* promote() {
    word_.fetch_or(kPromoted, std::memory_order_acq_rel);
    return &word_;
  }
  static void wake(void* address);

  // The driver's, under its mutex.
  Waiter* previous = nullptr;
  Waiter* next = nullptr;
  bool leads = false;

 private:
  static constexpr std::uint32_t kEnded = 1;
  static constexpr std::uint32_t kPromoted = 2;
  static constexpr std::uint32_t kSleeps = 4;  // or is about to
  std::atomic<std::uint32_t> word_{0};         // a futex
};

// Where the items and the end of a stream go.
class StreamSink {
 public:
  enum class For : std::uint8_t { reader, callbacks, coroutine };
  explicit StreamSink(For whom) : whom_(whom) {}
  StreamSink(const StreamSink&) = delete;
  StreamSink& operator=(const StreamSink&) = delete;
  virtual ~StreamSink() = default;
  virtual void item(Outcome&& item) = 0;
  virtual void end(Outcome&& outcome) = 0;
  // No item is wanted any more. From any thread.
  virtual void stop() {}
  // Whether item() and end() run on the client's own thread, as callbacks do; else the leader calls them, and they must not
  // take long.
  bool calls_back() const { return whom_ != For::reader; }
  bool for_coroutine() const { return whom_ == For::coroutine; }

 private:
  const For whom_;
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
    if (sink) {
      sink->end(std::move(how));
    } else {
      outcome = std::move(how);
    }
    if (Waiter* waiter = waiter_.exchange(&kEnded, std::memory_order_acq_rel)) waiter->end();
  }

  // Its end is told on the client's own thread.
  bool calls_back() const { return sink ? sink->calls_back() : suspension || callback; }
  // Its end must be told even while the client is being destroyed: a coroutine hangs on it.
  bool owed() const { return sink ? sink->for_coroutine() : suspension != nullptr; }

  std::unique_ptr<StreamSink> sink;        // of a stream
  std::atomic<std::uint64_t> window = 0;   // likewise: items that its reader takes in all
  std::shared_ptr<Driver> driver;          // of a Future's call, and of a stream
  Callback callback;                       // or none: somebody waits, or will
  std::shared_ptr<Suspension> suspension;  // instead, of a coroutine's call; fetches the outcome by itself
  Outcome outcome;                         // once ended, without a callback
  bool refused = false;                    // of a held call: never to be sent, for the reason in `outcome`

 private:
  static Waiter kEnded;
  std::atomic<Waiter*> waiter_{nullptr};
};

}  // namespace samovar::detail
