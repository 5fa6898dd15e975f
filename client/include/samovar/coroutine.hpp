// Calls and streams for C++20 coroutines.
//
//   auto country = co_await client.co_call<std::string>("ipgeo.country", "1.0.1.0");   // throws samovar::Error
//   auto result  = co_await client.co_try_call<Words>("segment.cut", text);            // a samovar::Result<Words>
//   auto [a, b]  = co_await samovar::when_all(client.co_call<A>("x.a"), client.co_call<B>("x.b"));  // Results, of both
//   auto lines = client.co_stream<std::string>("logs.tail", "web");
//   while (auto line = co_await lines.next()) show(*line);
//
// Any coroutine type will do; samovar/task.hpp has one for those who have none.
//
// Threads. A coroutine goes on where its executor says (executor.hpp: samovar::resume_on among the arguments, or
// ClientOptions::executor); without one on the client's own thread, as callbacks do and under their rules: there it must not
// wait for a call of the same client in another way than with co_await. Results are decoded where it goes on.
//
// The end of a coroutine. One that is suspended in a co_await of these may be destroyed: that cancels the call, and nothing
// resumes it any more. Destroy it where it would go on (its executor's thread), or when no outcome can come meanwhile: to destroy
// it on one thread while another one is about to resume it is a race, as with every coroutine. When the client is destroyed
// first, what is suspended goes on with `cancelled`.
#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <samovar/client.hpp>
#include <samovar/detail/held.hpp>

namespace samovar {

namespace detail {

inline void resume_coroutine(void* frame) {
  std::coroutine_handle<>::from_address(frame).resume();
}

// A call that is started when it is awaited.
class CoCallBase {
 public:
  explicit CoCallBase(HeldCall call) : call_(std::move(call)) {}
  CoCallBase(CoCallBase&&) noexcept = default;
  CoCallBase& operator=(CoCallBase&& other) noexcept {
    if (this == &other) return *this;
    let_go();
    call_ = std::move(other.call_);
    return *this;
  }
  ~CoCallBase() { let_go(); }

  bool await_ready() const {
    require_unawaited(call_ != nullptr);
    return false;
  }
  void await_suspend(std::coroutine_handle<> coroutine) {
    const HeldCall call = call_;  // the coroutine may go on before suspend() returns, and destroy this
    suspend({&call, 1}, coroutine.address(), resume_coroutine);
  }

  // Gives the call away, for when_all.
  HeldCall release() {
    require_unawaited(call_ != nullptr);
    return std::exchange(call_, nullptr);
  }

 protected:
  Reply take_reply() { return take(*std::exchange(call_, nullptr)); }

 private:
  void let_go() noexcept {
    if (call_) abandon({&call_, 1});
  }

  HeldCall call_;
};

}  // namespace detail

// From Client::co_call and Client::co_try_call: to be awaited once. The call is sent when it is awaited; its timeout counts from
// when this was made. Movable, until then.
template <typename T>
class [[nodiscard("a call that is not awaited is not made")]] CoCall : public detail::CoCallBase {
 public:
  using CoCallBase::CoCallBase;
  T await_resume() {
    return Result<T>(take_reply()).value();
  }
};

template <typename T>
class [[nodiscard("a call that is not awaited is not made")]] CoTryCall : public detail::CoCallBase {
 public:
  using CoCallBase::CoCallBase;
  Result<T> await_resume() {
    return Result<T>(take_reply());
  }
};

// From Client::co_stream: the items, for one coroutine at a time. Movable between two items. The destructor cancels what has
// not come to its end.
template <typename T>
class CoStream {
 public:
  explicit CoStream(detail::HeldCall call) : call_(std::move(call)) {}
  CoStream(CoStream&&) noexcept = default;
  CoStream& operator=(CoStream&& other) noexcept {
    if (this == &other) return *this;
    cancel();
    call_ = std::move(other.call_);
    attachments_ = std::move(other.attachments_);
    return *this;
  }
  ~CoStream() { cancel(); }

  class [[nodiscard("to be awaited")]] Next {
   public:
    explicit Next(CoStream & stream) : stream_(stream) {}
    Next(const Next&) = delete;
    Next& operator=(const Next&) = delete;
    ~Next() {
      if (suspended_) detail::abandon_item(*stream_.call_);
    }

    bool await_ready() const noexcept {
      return false;
    }
    bool await_suspend(std::coroutine_handle<> coroutine) {
      const auto call = stream_.call_;
      detail::require_unawaited(call != nullptr);
      suspended_ = true;  // before, since the coroutine may go on at once
      if (detail::suspend_for_item(*call, coroutine.address(), detail::resume_coroutine)) return true;
      suspended_ = false;
      return false;
    }
    std::optional<T> await_resume() {
      suspended_ = false;
      return stream_.take();
    }

   private:
    CoStream& stream_;
    bool suspended_ = false;
  };

  // co_await it: the next item; empty at the end. Throws samovar::Error as Stream::next() does.
  Next next() { return Next(*this); }

  // Of the item that next() gave last.
  const std::vector<Buffer>& attachments() const { return attachments_; }

  // Ends the stream: next() gives what has come already and then throws `cancelled`. The handler is told to stop.
  void cancel() {
    if (call_) detail::cancel_stream(call_);
  }

 private:
  std::optional<T> take() {
    detail::Reply reply;
    if (!detail::next_item(call_, reply)) return std::nullopt;
    Result<T> result(std::move(reply));
    attachments_ = result.attachments();
    return std::move(result).value();
  }

  detail::HeldCall call_;
  std::vector<Buffer> attachments_;
};

// --- several calls at once -----------------------------------------------------------------------------

namespace detail {

// The T of a CoCall<T> or a CoTryCall<T>.
template <typename Call>
struct CalledFor {};
template <typename T>
struct CalledFor<CoCall<T>> {
  using type = T;
};
template <typename T>
struct CalledFor<CoTryCall<T>> {
  using type = T;
};
template <typename Call>
using called_for = typename CalledFor<Call>::type;

// Goes on where the first of them would.
class WhenAllBase {
 public:
  explicit WhenAllBase(std::vector<HeldCall> calls) : calls_(std::move(calls)) {}
  WhenAllBase(WhenAllBase&&) noexcept = default;
  WhenAllBase& operator=(WhenAllBase&&) = delete;
  ~WhenAllBase() {
    if (!calls_.empty()) abandon(calls_);
  }

  bool await_ready() const { return calls_.empty(); }
  void await_suspend(std::coroutine_handle<> coroutine) {
    const auto calls = calls_;
    suspend(calls, coroutine.address(), resume_coroutine);
  }

 protected:
  std::vector<HeldCall> take_calls() { return std::exchange(calls_, {}); }

 private:
  std::vector<HeldCall> calls_;
};

template <typename... T>
class [[nodiscard("to be awaited")]] WhenAll : public WhenAllBase {
 public:
  using WhenAllBase::WhenAllBase;
  std::tuple<Result<T>...> await_resume() {
    return take_each(std::index_sequence_for<T...>());
  }

 private:
  template <std::size_t... I>
  std::tuple<Result<T>...> take_each(std::index_sequence<I...>) {
    const auto calls = take_calls();
    return std::tuple<Result<T>...>(Result<T>(take(*calls[I]))...);
  }
};

template <typename T>
class [[nodiscard("to be awaited")]] WhenAllOf : public WhenAllBase {
 public:
  using WhenAllBase::WhenAllBase;
  std::vector<Result<T>> await_resume() {
    std::vector<Result<T>> results;
    const auto calls = take_calls();
    results.reserve(calls.size());
    for (const auto& call : calls) results.emplace_back(take(*call));
    return results;
  }
};

}  // namespace detail

// co_await it: makes all calls at once, and gives the outcome of each, in their order, when the last has ended: a
// std::tuple of Result<T>, or a std::vector of them. One that fails takes nothing from the others. When the coroutine is
// destroyed meanwhile, all of them are cancelled.
template <typename... Calls>
requires(sizeof...(Calls) > 0) detail::WhenAll<detail::called_for<Calls>...> when_all(Calls... calls) {
  std::vector<detail::HeldCall> handles;
  handles.reserve(sizeof...(Calls));
  (handles.push_back(calls.release()), ...);
  return detail::WhenAll<detail::called_for<Calls>...>(std::move(handles));
}

template <typename Call>
detail::WhenAllOf<detail::called_for<Call>> when_all(std::vector<Call> calls) {
  std::vector<detail::HeldCall> handles;
  handles.reserve(calls.size());
  for (auto& call : calls) handles.push_back(call.release());
  return detail::WhenAllOf<detail::called_for<Call>>(std::move(handles));
}

// --- samovar::Client -----------------------------------------------------------------------------------

template <typename T, typename... Args>
CoCall<T> Client::co_call(std::string_view method, const Args&... args) {
  return CoCall<T>(detail::hold(*this, method, detail::pack_request(args...)));
}

template <typename T, typename... Args>
CoTryCall<T> Client::co_try_call(std::string_view method, const Args&... args) {
  return CoTryCall<T>(detail::hold(*this, method, detail::pack_request(args...)));
}

template <typename T, typename... Args>
CoStream<T> Client::co_stream(std::string_view method, const Args&... args) {
  return CoStream<T>(begin_co_stream(method, detail::pack_request(args...)));
}

}  // namespace samovar
