// What samovar/asio.hpp promises, for either Asio: included by a test that has included its headers and made `net`
// their namespace. The names of the cases are there.
#include <algorithm>
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/client/fake_broker.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace std::chrono_literals;
using client::echo;
using client::FakeBroker;
using client::FakeRequest;
using client::hold;

namespace {

Status code_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& failed) {
    return failed.code();
  }
}

void run_waits_for_a_handler() {
  FakeBroker broker(echo);
  net::io_context io;
  Client client{broker.endpoint()};
  const auto here = std::this_thread::get_id();
  int calls = 0;
  const auto on = [&](auto handler) { return net::bind_executor(io, std::move(handler)); };
  async_call<std::string>(client, "a.b", "text", timeout(60s),
                          on([&](std::exception_ptr error, std::string text) {
                            CHECK(!error);
                            CHECK(text == "text");
                            CHECK(std::this_thread::get_id() == here);
                            ++calls;
                          }));
  async_call<void>(client, "a.b", 1, on([&](std::exception_ptr error) {
                     CHECK(!error);
                     ++calls;
                   }));
  async_try_call<int>(client, "a.b", 7, metadata, on([&](Result<int> result) {
                        CHECK(result.value() == 7);
                        ++calls;
                      }));
  async_call(client, "a.b", "untyped", on([&](std::exception_ptr, const Value& value) {
               CHECK(value.to_json() == "\"untyped\"");
               ++calls;
             }));
  CHECK(calls == 0);
  io.run();
  CHECK(calls == 4);
}

void a_handler_hears_of_failures() {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    proto::ErrorValue error;
    error.message = "it failed";
    self.fail(request, Status::app_error, error);
  });
  net::io_context io;
  Client client{broker.endpoint()};
  std::vector<Status> seen;
  const auto failed = [&] {
    return net::bind_executor(io, [&](std::exception_ptr error, int value) {
      CHECK(value == 0);
      seen.push_back(code_of(error));
    });
  };
  async_call<int>(client, "no name", failed());
  async_call<int>(client, "a.b", packed("\x01"), failed());
  async_call<int>(client, "a.b", failed());
  async_try_call<int>(client, "a.b",
                      net::bind_executor(io, [&](const Result<int>& r) { seen.push_back(r.status()); }));
  CHECK(seen.empty());
  io.run();
  std::sort(seen.begin(), seen.end());
  CHECK(seen ==
        std::vector<Status>{Status::app_error, Status::app_error, Status::bad_request, Status::bad_request});
}

void without_an_executor() {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  std::promise<std::thread::id> ran;
  async_call<int>(client, "a.b", 1, [&, only = std::make_unique<int>(1)](std::exception_ptr, int value) {
    CHECK(value == *only);
    ran.set_value(std::this_thread::get_id());
  });
  CHECK(ran.get_future().get() != std::this_thread::get_id());
}

void futures_throw() {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    if (request.method == "a.b") return echo(self, request);
    proto::ErrorValue error;
    error.message = "it failed";
    self.fail(request, Status::app_error, error);
  });
  Client client{broker.endpoint()};
  std::future<int> good = async_call<int>(client, "a.b", 7, net::use_future);
  std::future<void> nothing = async_call<void>(client, "a.b", 7, net::use_future);
  std::future<int> bad = async_call<int>(client, "a.bad", 7, net::use_future);
  std::future<Result<int>> kept = async_try_call<int>(client, "a.bad", 7, net::use_future);
  CHECK(good.get() == 7);
  CHECK_NOTHROW(nothing.get());
  CHECK_THROWS_AS(bad.get(), Error);
  CHECK(kept.get().status() == Status::app_error);
}

void coroutines_await() {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    if (request.method == "a.b") return echo(self, request);
    proto::ErrorValue error;
    error.message = "it failed";
    self.fail(request, Status::app_error, error);
  });
  net::io_context io;
  Client client{broker.endpoint()};
  int calls = 0;
  const auto here = std::this_thread::get_id();
  const auto coroutine = [&]() -> net::awaitable<void> {
    const int seven = co_await async_call<int>(client, "a.b", 7, net::use_awaitable);
    CHECK(seven == 7);
    co_await async_call<void>(client, "a.b", 7, net::use_awaitable);
    const Result<int> result = co_await async_try_call<int>(client, "a.bad", net::use_awaitable);
    CHECK(result.status() == Status::app_error);
    CHECK(std::this_thread::get_id() == here);
    ++calls;
    co_await async_call<int>(client, "a.bad", net::use_awaitable);
    ++calls;
  };
  std::exception_ptr error;
  net::co_spawn(io, coroutine, [&](std::exception_ptr thrown) { error = thrown; });
  io.run();
  CHECK(calls == 1);
  CHECK(code_of(error) == Status::app_error);
}

void the_client_is_destroyed() {
  FakeBroker broker(hold);
  net::io_context io;
  auto client = std::make_unique<Client>(broker.endpoint());
  std::optional<Status> ended;
  async_try_call<int>(*client, "a.b", 1, timeout(60s),
                      net::bind_executor(io, [&](const Result<int>& result) { ended = result.status(); }));
  REQUIRE(broker.wait_for_requests(1));
  client.reset();
  io.run();
  CHECK(ended == Status::cancelled);
}

void the_context_is_destroyed() {
  FakeBroker broker(hold);
  auto client = std::make_unique<Client>(broker.endpoint());
  auto io = std::make_unique<net::io_context>();
  const auto held = std::make_shared<int>(1);
  async_try_call<int>(*client, "a.b", 1,
                      net::bind_executor(*io, [held](const Result<int>&) { FAIL("it ran"); }));
  client.reset();
  CHECK(held.use_count() == 2);
  io.reset();
  CHECK(held.use_count() == 1);
}

}  // namespace
