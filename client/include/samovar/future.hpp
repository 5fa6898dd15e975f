// The result of a call that is under way.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <samovar/result.hpp>

namespace samovar {

namespace detail {
struct PendingCall;

using SteadyTime = std::chrono::steady_clock::time_point;

bool is_ready(const PendingCall& call);
// True when the call has ended. Throw std::logic_error inside a callback of the same client, and after fork().
bool wait(PendingCall& call, std::optional<SteadyTime> until);
Reply take(PendingCall& call);  // when it has ended
void cancel(const std::shared_ptr<PendingCall>& call);
void require(bool valid);  // std::logic_error
}  // namespace detail

// From Client::async_call. Movable; one thread at a time, but that another one may cancel() while it waits. May outlive its
// client: the call has then ended.
//
// A thread that waits here drives the connection itself when nobody else does, so waiting costs no hop between
// threads. Destroying a Future does not cancel its call: it runs on, and its result is dropped.
template <typename T>
class Future {
 public:
  Future() = default;
  explicit Future(std::shared_ptr<detail::PendingCall> call) : call_(std::move(call)) {}
  Future(Future&&) noexcept = default;
  Future& operator=(Future&&) noexcept = default;

  // False after get() or result(), and for a Future that was moved from.
  bool valid() const { return call_ != nullptr; }

  // Whether get() would return at once.
  bool ready() const { return detail::require(valid()), detail::is_ready(*call_); }

  // Waits for the end of the call. At the latest that is a little after its timeout.
  void wait() const { detail::require(valid()), detail::wait(*call_, std::nullopt); }

  // True when the call has ended. Its timeout is not affected.
  template <typename Rep, typename Period>
  bool wait_for(std::chrono::duration<Rep, Period> time) const {
    return wait_until(std::chrono::steady_clock::now() +
                      std::chrono::ceil<std::chrono::steady_clock::duration>(time));
  }
  bool wait_until(std::chrono::steady_clock::time_point until) const {
    return detail::require(valid()), detail::wait(*call_, until);
  }

  // Waits, and gives the result or throws samovar::Error. Once only.
  T get() { return result().value(); }

  // The same, but a failed call is a value.
  Result<T> result() {
    wait();
    const auto call = std::move(call_);
    return Result<T>(detail::take(*call));
  }

  // Ends the call as `cancelled`, unless it has ended already. A handler that runs is not interrupted.
  void cancel() { detail::require(valid()), detail::cancel(call_); }

 private:
  std::shared_ptr<detail::PendingCall> call_;
};

// Waits for all of them, and gives the outcome of each, in their order: one that fails takes nothing from the others.
// (For coroutines: coroutine.hpp.)
template <typename... T>
requires(sizeof...(T) > 0) std::tuple<Result<T>...> when_all(Future<T>... futures) {
  return std::tuple<Result<T>...>{futures.result()...};  // braces: from left to right
}
template <typename T>
std::vector<Result<T>> when_all(std::vector<Future<T>> futures) {
  std::vector<Result<T>> results;
  results.reserve(futures.size());
  for (auto& future : futures) results.push_back(future.result());
  return results;
}

}  // namespace samovar
