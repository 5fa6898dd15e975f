// samovar/asio.hpp over standalone Asio.
#include <samovar/asio.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

namespace net = asio;
#include "tests/client/asio_cases.hpp"

TEST_CASE("Asio: a handler gets its result on its executor, for which run() waits") {
  run_waits_for_a_handler();
}

TEST_CASE("Asio: a handler hears of what failed, and never inside the initiating function") {
  a_handler_hears_of_failures();
}

TEST_CASE("Asio: a handler without an executor runs on the client's own thread") {
  without_an_executor();
}

TEST_CASE("Asio: futures of Asio throw what the call throws") {
  futures_throw();
}

TEST_CASE("Asio: Asio's coroutines await calls") {
  coroutines_await();
}

TEST_CASE("Asio: what Asio waits for ends when the client is destroyed") {
  the_client_is_destroyed();
}

TEST_CASE("Asio: a context that is destroyed before its handlers have run destroys them") {
  the_context_is_destroyed();
}

TEST_CASE("a cancellation slot cancels its call") {
  FakeBroker broker(hold);
  asio::io_context io;
  Client client{broker.endpoint()};
  asio::cancellation_signal signal;
  std::optional<Status> ended;
  async_try_call<int>(
      client, "a.b", 1, timeout(60s),
      asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io, [&](const Result<int>& result) {
                                     ended = result.status();
                                     CHECK_FALSE(signal.slot().has_handler());
                                   })));
  REQUIRE(broker.wait_for_requests(1));
  asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
  io.run();
  CHECK(ended == Status::cancelled);
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("a cancellation that comes too late does nothing") {
  FakeBroker broker(echo);
  asio::io_context io;
  Client client{broker.endpoint()};
  asio::cancellation_signal signal;
  std::optional<int> value;
  async_try_call<int>(
      client, "a.b", 1,
      asio::bind_cancellation_slot(
          signal.slot(), asio::bind_executor(io, [&](const Result<int>& r) { value = r.value(); })));
  io.run();
  signal.emit(asio::cancellation_type::terminal);
  CHECK(value == 1);
}

TEST_CASE("the first of two awaitables cancels the other one's call") {
  using namespace asio::experimental::awaitable_operators;
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    if (request.method == "a.b") echo(self, request);  // else nothing
  });
  asio::io_context io;
  Client client{broker.endpoint()};
  std::size_t first = 7;
  const auto coroutine = [&]() -> asio::awaitable<void> {
    const auto winner = co_await (async_call<int>(client, "a.slow", 1, timeout(60s), asio::use_awaitable) ||
                                  async_call<int>(client, "a.b", 2, timeout(60s), asio::use_awaitable));
    first = winner.index();
  };
  asio::co_spawn(io, coroutine, [](std::exception_ptr error) { CHECK(!error); });
  io.run();
  CHECK(first == 1);
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("a deferred call is made when it is given its handler") {
  FakeBroker broker(echo);
  asio::io_context io;
  Client client{broker.endpoint()};
  auto deferred = async_try_call<int>(client, "a.deferred", 7, asio::experimental::deferred);
  client.call<int>("a.b", 1);
  CHECK(broker.requests().size() == 1);
  std::optional<int> value;
  std::move(deferred)(asio::bind_executor(io, [&](const Result<int>& result) { value = result.value(); }));
  io.run();
  CHECK(value == 7);
}
