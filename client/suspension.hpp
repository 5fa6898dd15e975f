// A coroutine that waits for calls to end, or for an item of a stream, on one executor.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include <samovar/executor.hpp>

namespace samovar::detail {

// A coroutine without its type, since not every compiler that builds the library knows coroutines.
struct Continuation {
  void* frame = nullptr;
  void (*resume)(void*) = nullptr;
};

// Whatever happens, the coroutine is resumed or abandoned, not both.
class Suspension : public std::enable_shared_from_this<Suspension> {
 public:
  // Without an executor, whoever calls arrived() last resumes.
  explicit Suspension(std::shared_ptr<const Executor> executor) : executor_(std::move(executor)) {}

  // Before the first of `arrivals` can come.
  void begin(Continuation coroutine, std::size_t arrivals) {
    coroutine_ = coroutine;
    arrivals_ = arrivals;
  }
  bool begun() const { return coroutine_.frame != nullptr; }
  void arrived() {
    if (arrivals_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    executor_ ? (*executor_)(Resumption(shared_from_this())) : resume();
  }
  void resume() {
    if (abandon()) coroutine_.resume(coroutine_.frame);
  }
  // False when it has been resumed, or abandoned before.
  bool abandon() { return !over_.exchange(true, std::memory_order_acq_rel); }

 private:
  const std::shared_ptr<const Executor> executor_;
  Continuation coroutine_;
  std::atomic<std::size_t> arrivals_ = 0;
  std::atomic<bool> over_ = false;
};

}  // namespace samovar::detail
