// Calls Python handlers through a Samovar broker.
//
//   samovar::Client client{"tcp://127.0.0.1:7711"};
//   auto country = client.call<std::string>("ipgeo.country", "1.0.1.0");            // throws samovar::Error
//   auto future  = client.async_call<Words>("segment.cut", text, samovar::timeout(50ms));
//   client.async_call("ipgeo.country", ip, [](samovar::Result<std::string> r) { ... });
//   for (const auto& hit : client.stream<Hit>("search.scan", text)) { ... }          // stream.hpp
//   auto country = co_await client.co_call<std::string>("ipgeo.country", ip);         // coroutine.hpp
//
// Arguments: numbers, bool, text, bytes (options.hpp), std::optional, nullptr, containers of these, points in time of
// std::chrono::system_clock, structs with MSGPACK_DEFINE_MAP, samovar::Value. Results: the same types, owning; void
// ignores the result; samovar::Value takes anything. Options (options.hpp) stand among the arguments.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <samovar/detail/callback.hpp>
#include <samovar/detail/held.hpp>
#include <samovar/detail/pack.hpp>
#include <samovar/error.hpp>
#include <samovar/executor.hpp>
#include <samovar/future.hpp>
#include <samovar/options.hpp>
#include <samovar/result.hpp>
#include <samovar/stream.hpp>
#include <samovar/value.hpp>

namespace samovar {

struct ClientOptions {
  // For calls without samovar::timeout. Without both, the method's own timeout holds, else the broker's default (30 s), from
  // when the call is sent; it waits up to 30 s for a broker.
  std::optional<std::chrono::microseconds> timeout{};
  // Calls beyond this many end as `overloaded` at once.
  std::size_t max_outstanding = 1'000'000;
  // Shown to people by the broker. Empty: the program's name.
  std::string name{};
  // Files of `samovar keygen`, where the broker wants keys: this client's own (NAME.key), and the broker's public one
  // (NAME.pub). Both or none. Calls end as `unauthorized` at once while the broker refuses the key.
  std::string key_file{};
  std::string broker_key_file{};
  // Where coroutines go on, unless samovar::resume_on says otherwise. Empty: on the client's own thread.
  Executor executor{};
  // For calls without samovar::retry (options.hpp). Off: one attempt.
  RetryPolicy retry{.max_attempts = 1};
  // How many calls may be made again by retry and hedge, as a share of all calls. Ten more at the start, and a hundred saved up at
  // most. 0 allows those ten.
  double retry_budget = 0.1;
  // Connections that are older are made anew, one by one and without a call noticing, at about this age: for an address that
  // stands for many brokers (a load balancer's), behind which later ones would get nothing. 0: never.
  std::chrono::microseconds max_connection_age{};
};

// Of <samovar/coroutine.hpp>.
template <typename T>
class CoCall;
template <typename T>
class CoTryCall;
template <typename T>
class CoStream;

// Connections to one broker, or to several. It connects, and connects again, by itself and in the background; calls made
// meanwhile wait for it, within their timeout. Without a broker they end as `unavailable` at their timeout. When
// a broker goes away, calls that it held end as `broker_lost` at once, or are sent again if samovar::idempotent: to another
// one, where there is one.
//
// Of several brokers a call goes to the better one of two that are chosen by chance: the one that holds fewer calls of this
// client, unless its replies take twice as long. What a broker refuses as `unavailable` goes to another one, and what it refuses
// as `overloaded`, too, within the retry budget. A broker that fails is left alone for a while.
//
// Threads. All members may be used from many threads at once. A thread that waits for a call drives the connection
// for everybody when nobody else does. The client's own thread exists from the first async_call on; it drives
// calls that nobody waits for, and runs all callbacks, one at a time, in the order of the replies.
//
// Callbacks run on the client's own thread, always. They may call async_call; what they start is sent when they have
// returned, or before. A call that waits (call, try_call, Future::get) on the same client throws std::logic_error
// there. An exception that leaves a callback ends the program. A slow callback delays the other callbacks.
//
// The destructor ends outstanding calls as `cancelled`, runs their callbacks (calls made in them are dropped), and
// joins the client's own thread; it waits for nothing but a callback that is running. A Future may outlive the
// client. No thread may be inside a member of the client meanwhile, except that one waiting in a Future is released.
//
// fork(): the child must not use the client. Its calls throw std::logic_error there, and its destructor leaks on
// purpose. While the child lives it keeps the connection's descriptor open, unless it calls exec.
class Client {
 public:
  // The endpoint is tcp://HOST:PORT or ipc://PATH; or several of them with commas in between; or dns+tcp://NAME:PORT, for all
  // addresses that NAME has, looked up again every 30 s and when a broker is gone. Does not wait for a connection. Throws
  // std::invalid_argument when it is none, and when a key file cannot be used.
  explicit Client(const std::string& endpoint, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Waits for the result. Throws samovar::Error.
  template <typename T = Value, typename... Args>
  T call(std::string_view method, const Args&... args) {
    return try_call<T>(method, args...).value();
  }

  // Waits for the outcome. Never throws samovar::Error.
  template <typename T = Value, typename... Args>
  Result<T> try_call(std::string_view method, const Args&... args) {
    return Result<T>(perform(method, detail::pack_request(args...)));
  }

  // Does not wait. With a callable that takes a samovar::Result<T> as the last argument it returns nothing, and T
  // need not be given; else it returns a samovar::Future<T>.
  template <typename T = detail::Unspecified, typename... Args>
  auto async_call(std::string_view method, Args&&... args) {
    if constexpr (detail::ends_in_callback<T, Args...>) {
      call_back<T>(method, std::forward_as_tuple(std::forward<Args>(args)...),
                   std::make_index_sequence<sizeof...(Args) - 1>());
    } else {
      using Wanted = std::conditional_t<std::is_same_v<T, detail::Unspecified>, Value, T>;
      return Future<Wanted>(start(method, detail::pack_request(args...)));
    }
  }

  // A stream, read by whoever asks for its next item: as a range, or with Stream::next(). Does not wait.
  template <typename T = Value, typename... Args>
  Stream<T> stream(std::string_view method, const Args&... args) {
    return Stream<T>(begin_stream(method, detail::pack_request(args...), nullptr));
  }

  // A stream, read by callbacks: the last two arguments. on_item takes a T, or a T and a std::vector<Buffer>, the
  // item's attachments; on_end takes a Result<void>, and is called once, behind the last item. Both run on the client's
  // own thread, as all callbacks do: the stream sends no more while its window of items waits for them. An item that
  // does not fit T ends the stream as bad_request.
  template <typename T = Value, typename... Args>
  StreamHandle async_stream(std::string_view method, Args&&... args) {
    static_assert(sizeof...(Args) >= 2, "async_stream takes on_item and on_end as its last two arguments");
    return stream_back<T>(method, std::forward_as_tuple(std::forward<Args>(args)...),
                          std::make_index_sequence<sizeof...(Args) - 2>());
  }

  // For coroutines, by <samovar/coroutine.hpp>, which is to be included: co_await gives a T or throws samovar::Error, gives a
  // Result<T>, or goes through a stream.
  template <typename T = Value, typename... Args>
  CoCall<T> co_call(std::string_view method, const Args&... args);
  template <typename T = Value, typename... Args>
  CoTryCall<T> co_try_call(std::string_view method, const Args&... args);
  template <typename T = Value, typename... Args>
  CoStream<T> co_stream(std::string_view method, const Args&... args);

  // As given to the constructor. Which broker a call was made to is in Result::metadata() and Error::details().
  const std::string& endpoint() const;

 private:
  friend std::shared_ptr<detail::PendingCall> detail::hold(Client&, std::string_view, detail::Request&&,
                                                           bool);

  template <typename T, typename Tuple, std::size_t... I>
  void call_back(std::string_view method, Tuple args, std::index_sequence<I...>) {
    using Last = std::tuple_element_t<sizeof...(I), Tuple>;
    start(method, detail::pack_request(std::get<I>(args)...),
          detail::make_callback<T>(std::forward<Last>(std::get<sizeof...(I)>(args))));
  }

  template <typename T, typename Tuple, std::size_t... I>
  StreamHandle stream_back(std::string_view method, Tuple args, std::index_sequence<I...>) {
    constexpr std::size_t kItem = sizeof...(I);
    auto callbacks = detail::make_stream_callbacks<T>(
        std::forward<std::tuple_element_t<kItem, Tuple>>(std::get<kItem>(args)),
        std::forward<std::tuple_element_t<kItem + 1, Tuple>>(std::get<kItem + 1>(args)));
    return StreamHandle(
        begin_stream(method, detail::pack_request(std::get<I>(args)...), std::move(callbacks)));
  }

  // Without callbacks: for a reader.
  std::shared_ptr<detail::PendingCall> begin_stream(std::string_view method, detail::Request&& request,
                                                    std::unique_ptr<detail::StreamCallbacks> callbacks);
  std::shared_ptr<detail::PendingCall> begin_co_stream(std::string_view method, detail::Request&& request);
  void begin(const std::shared_ptr<detail::PendingCall>& call, std::string_view method,
             detail::Request&& request);
  detail::Reply perform(std::string_view method, detail::Request&& request);
  std::shared_ptr<detail::PendingCall> start(std::string_view method, detail::Request&& request);
  void start(std::string_view method, detail::Request&& request, detail::Callback&& callback);

  const detail::Defaults defaults_;
  const std::shared_ptr<const Executor> executor_;
  std::shared_ptr<detail::Driver> driver_;
};

}  // namespace samovar
