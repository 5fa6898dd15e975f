// How a thread waits for its call: on a futex, since whoever wakes it must not touch it afterwards, nor hold a lock that
// it would wait for at once.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <chrono>

#include "client/pending_call.hpp"

namespace samovar::detail {

Waiter::Woken Waiter::sleep(std::optional<client::TimePoint> until) {
  timespec time{};
  if (until) {  // of CLOCK_MONOTONIC, as client::Clock
    const auto since = until->time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    time.tv_sec = seconds.count();
    time.tv_nsec = std::chrono::nanoseconds(since - seconds).count();
  }
  for (;;) {
    const auto word = word_.fetch_or(kSleeps, std::memory_order_acq_rel);
    if ((word & kEnded) != 0) return Woken::ended;
    if ((word & kPromoted) != 0) {
      word_.fetch_and(~(kPromoted | kSleeps), std::memory_order_acq_rel);
      return Woken::promoted;
    }
    const auto result = syscall(SYS_futex, &word_, FUTEX_WAIT_BITSET_PRIVATE, kSleeps,
                                until ? &time : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (result < 0 && errno == ETIMEDOUT) return Woken::timed_out;
  }
}

void Waiter::wake(void* address) {
  syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1);
}

}  // namespace samovar::detail
