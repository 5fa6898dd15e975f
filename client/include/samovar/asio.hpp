// Calls for Asio's completion tokens: use_awaitable, use_future, deferred, callbacks.
//
//   auto country = co_await samovar::async_call<std::string>(client, "ipgeo.country", ip, asio::use_awaitable);
//   samovar::async_try_call<Words>(client, "segment.cut", text, samovar::timeout(50ms),
//                                  asio::bind_executor(strand, [](samovar::Result<Words> words) { ... }));
//
// Arguments and options as for Client::call, the completion token last. The signatures are
//
//   async_call<T>       void(std::exception_ptr, T)     the exception is a samovar::Error, and T{} stands beside it; so a coroutine
//                       void(std::exception_ptr)        or a future throws what Client::call throws. The second is for T = void.
//   async_try_call<T>   void(samovar::Result<T>)        nothing is thrown
//
// The handler runs through its associated executor, never inside the initiating function, and keeps that executor's context at
// work until then: io_context::run does not return before. Without an associated executor it runs on the client's own thread,
// as callbacks do. Cancelling (a cancellation slot, of any type; Asio 1.19 or Boost 1.77 and later) ends the call as
// `cancelled`. What is under way when the client is destroyed ends as `cancelled`. The executor's context must outlive the client, whose
// thread posts to it: declare the context first.
//
// This is for standalone Asio where it is installed, else for Boost.Asio. Where both are, define SAMOVAR_USE_BOOST_ASIO before
// this is included to have the second.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#if !defined(SAMOVAR_USE_BOOST_ASIO) && __has_include(<asio/async_result.hpp>)
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/dispatch.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/version.hpp>
#if ASIO_VERSION >= 101900
#include <asio/associated_cancellation_slot.hpp>
#define SAMOVAR_ASIO_CANCELS 1
#endif
#define SAMOVAR_ASIO asio
#elif __has_include(<boost/asio/async_result.hpp>)
#ifndef SAMOVAR_USE_BOOST_ASIO
#define SAMOVAR_USE_BOOST_ASIO
#endif
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 101900
#include <boost/asio/associated_cancellation_slot.hpp>
#define SAMOVAR_ASIO_CANCELS 1
#endif
#define SAMOVAR_ASIO boost::asio
#else
#error "samovar/asio.hpp needs Asio (on Debian: libasio-dev) or Boost.Asio (libboost-dev)"
#endif

#include <samovar/client.hpp>

namespace samovar {
#ifdef SAMOVAR_USE_BOOST_ASIO
inline namespace for_boost_asio {
#else
inline namespace for_asio {
#endif
namespace asio_detail {

namespace net = ::SAMOVAR_ASIO;
using detail::HeldCall;

// What a handler is called with.
template <typename T>
struct Throwing {
  using Signature = void(std::exception_ptr, T);
  template <typename Handler>
  static void complete(Handler&& handler, Result<T>&& result) {
    if (result.ok()) return std::forward<Handler>(handler)(std::exception_ptr(), std::move(result).value());
    std::forward<Handler>(handler)(std::make_exception_ptr(result.error()), T{});
  }
};
template <>
struct Throwing<void> {
  using Signature = void(std::exception_ptr);
  template <typename Handler>
  static void complete(Handler&& handler, Result<void>&& result) {
    std::forward<Handler>(handler)(result.ok() ? std::exception_ptr()
                                               : std::make_exception_ptr(result.error()));
  }
};
template <typename T>
struct Keeping {
  using Signature = void(Result<T>);
  template <typename Handler>
  static void complete(Handler&& handler, Result<T>&& result) {
    std::forward<Handler>(handler)(std::move(result));
  }
};

// One call with its handler, from its initiation to its end.
template <typename T, typename Completion, typename Handler>
class AsioCall {
 public:
  // What suspend() throws, after fork(), leaves the initiating function.
  static void start(HeldCall call, Handler handler) {
    auto self = std::unique_ptr<AsioCall>(new AsioCall(call, std::move(handler)));
    self->listen();
    detail::suspend({&call, 1}, self.get(), &AsioCall::ended);
    (void)self.release();  // ended() has it; maybe it has been there already
  }

 private:
  using AssociatedExecutor = typename net::associated_executor<Handler>::type;

  AsioCall(HeldCall call, Handler handler)
      : call_(std::move(call)),
        work_(net::make_work_guard(net::get_associated_executor(handler))),
        handler_(std::move(handler)) {}

  // To whoever cancels, on the handler's executor.
  void listen() {
#if SAMOVAR_ASIO_CANCELS
    auto slot = net::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([call = std::weak_ptr(call_)](net::cancellation_type type) {
      if (type == net::cancellation_type::none) return;
      if (const auto alive = call.lock()) detail::cancel(alive);
    });
#endif
  }

  // On the client's own thread.
  static void ended(void* frame) {
    std::unique_ptr<AsioCall> self(static_cast<AsioCall*>(frame));
    const auto executor = self->work_.get_executor();
    net::dispatch(executor, [self = std::move(self)]() mutable { complete(std::move(self)); });
  }

  // On the handler's executor. All that is here is freed before the handler is called, as Asio's own operations do it.
  static void complete(std::unique_ptr<AsioCall> self) {
#if SAMOVAR_ASIO_CANCELS
    if (auto slot = net::get_associated_cancellation_slot(self->handler_); slot.is_connected()) slot.clear();
#endif
    const auto work = std::move(self->work_);
    auto handler = std::move(self->handler_);
    Result<T> result(detail::take(*self->call_));
    self.reset();
    Completion::complete(std::move(handler), std::move(result));
  }

  HeldCall call_;
  net::executor_work_guard<AssociatedExecutor> work_;
  Handler handler_;
};

template <typename T, typename Completion>
struct InitiateCall {
  template <typename Handler>
  void operator()(Handler&& handler, HeldCall call) const {
    AsioCall<T, Completion, std::decay_t<Handler>>::start(std::move(call), std::forward<Handler>(handler));
  }
};

template <typename T, typename Completion, typename Tuple, std::size_t... I>
auto initiate(Client& client, std::string_view method, Tuple args, std::index_sequence<I...>) {
  using Last = std::tuple_element_t<sizeof...(I), Tuple>;
  using Token = std::conditional_t<std::is_lvalue_reference_v<Last>, Last, std::remove_reference_t<Last>>;
  return net::async_initiate<Token, typename Completion::Signature>(
      InitiateCall<T, Completion>(), std::get<sizeof...(I)>(args),
      detail::hold(client, method, detail::pack_request(std::get<I>(args)...), false));
}

}  // namespace asio_detail

// The last of `args` is the completion token.
template <typename T = Value, typename... Args>
auto async_call(Client& client, std::string_view method, Args&&... args) {
  static_assert(
      std::is_void_v<T> || std::is_default_constructible_v<T>,
      "the handler gets a T beside the exception: use async_try_call, or a T that can be made of nothing");
  return asio_detail::initiate<T, asio_detail::Throwing<T>>(
      client, method, std::forward_as_tuple(std::forward<Args>(args)...),
      std::make_index_sequence<sizeof...(Args) - 1>());
}
template <typename T = Value, typename... Args>
auto async_try_call(Client& client, std::string_view method, Args&&... args) {
  return asio_detail::initiate<T, asio_detail::Keeping<T>>(client, method,
                                                           std::forward_as_tuple(std::forward<Args>(args)...),
                                                           std::make_index_sequence<sizeof...(Args) - 1>());
}

}  // namespace for_asio or for_boost_asio
}  // namespace samovar
