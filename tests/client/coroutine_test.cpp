// Calls and streams that coroutines wait for, against a fake broker. (No co_await inside a CHECK: it has its expression twice.)
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <samovar/coroutine.hpp>
#include <samovar/task.hpp>

#include "tests/client/fake_broker.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace std::chrono_literals;
using client::echo;
using client::FakeBroker;
using client::FakeRequest;
using client::hold;

namespace {

// Fails every call whose method is not a.b.
void picky(FakeBroker& broker, const FakeRequest& request) {
  if (request.method == "a.b") return echo(broker, request);
  proto::ErrorValue error;
  error.message = "it failed";
  error.type = "ValueError";
  broker.fail(request, Status::app_error, error);
}

std::string number(std::uint64_t value) {
  std::string out;
  proto::append_uint(out, value);
  return out;
}

// A thread's own queue of what is to be done: an executor as programs have them.
class Loop {
 public:
  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }
  // False when nothing came for 20 s.
  bool run_one() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 20s, [this] { return !tasks_.empty(); })) return false;
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    return true;
  }
  bool empty() {
    const std::lock_guard lock(mutex_);
    return tasks_.empty();
  }
  Executor executor() {
    return [this](std::function<void()> task) { post(std::move(task)); };
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
};

// A coroutine that its owner can destroy at any time.
class Started {
 public:
  struct promise_type {
    Started get_return_object() { return Started(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  explicit Started(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  Started(Started&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Started& operator=(const Started&) = delete;
  ~Started() { destroy(); }
  bool done() const { return coroutine_.done(); }
  void destroy() {
    if (auto coroutine = std::exchange(coroutine_, nullptr)) coroutine.destroy();
  }

 private:
  std::coroutine_handle<promise_type> coroutine_;
};

// That a coroutine was destroyed, or came to its end.
struct Leaves {
  bool& left;
  ~Leaves() { left = true; }
};

}  // namespace

TEST_CASE("a coroutine gets the result of its call") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  const auto task = [&]() -> Task<std::string> {
    const int seven = co_await client.co_call<int>("a.b", 7);
    co_await client.co_call<void>("a.b", 1, timeout(5s));
    const Value value = co_await client.co_call("a.b", "untyped");
    co_return std::to_string(seven) + co_await client.co_call<std::string>("a.b", std::string("text")) +
        value.to_json();
  };
  CHECK(sync_wait(task()) == "7text\"untyped\"");
}

TEST_CASE("a call that fails throws in the coroutine, or is a value") {
  FakeBroker broker(picky);
  Client client{broker.endpoint()};
  const auto task = [&]() -> Task<> {
    const auto result = co_await client.co_try_call<int>("a.bad", 1);
    CHECK(result.status() == Status::app_error);
    CHECK(result.error().details().type == "ValueError");
    const auto misfit = co_await client.co_try_call<int>("a.b", "no number");
    CHECK(misfit.status() == Status::bad_request);
    co_await client.co_call<int>("a.bad", 1);
  };
  CHECK_THROWS_AS(sync_wait(task()), Error);
}

TEST_CASE("a call that cannot be sent ends without a broker") {
  Client client{"tcp://127.0.0.1:9"};
  const auto task = [&]() -> Task<> {
    const auto nameless = co_await client.co_try_call("no method");
    CHECK(nameless.status() == Status::bad_request);
    const auto broken = co_await client.co_try_call("a.b", packed("\x01"));
    CHECK(broken.status() == Status::bad_request);
    const auto late = co_await client.co_try_call("a.b", 1, timeout(1ms));
    CHECK(late.status() == Status::unavailable);
  };
  sync_wait(task());
}

TEST_CASE("without an executor a coroutine goes on on the client's own thread") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  const auto task = [&]() -> Task<> {
    const auto before = std::this_thread::get_id();
    co_await client.co_call<int>("a.b", 1);
    const auto after = std::this_thread::get_id();
    CHECK(after != before);
    co_await client.co_call<int>("a.b", 1);
    CHECK(std::this_thread::get_id() == after);
    CHECK_THROWS_AS(client.call<int>("a.b", 1), std::logic_error);
  };
  sync_wait(task());
}

TEST_CASE("a coroutine goes on where its executor says") {
  FakeBroker broker(echo);
  Loop theirs;
  Loop mine;
  Client client{broker.endpoint(), {.executor = theirs.executor()}};
  const auto here = std::this_thread::get_id();
  const auto run = [&]() -> Started {
    co_await client.co_call<int>("a.b", 1);
    CHECK(std::this_thread::get_id() == here);
    co_await client.co_call<int>("a.b", 1, resume_on(mine.executor()));
    CHECK(std::this_thread::get_id() == here);
    CHECK(client.call<int>("a.b", 2) == 2);  // may wait here
  };
  const auto coroutine = run();
  CHECK(theirs.run_one());
  CHECK(theirs.empty());
  CHECK_FALSE(coroutine.done());
  CHECK(mine.run_one());
  CHECK(coroutine.done());
}

TEST_CASE("an executor may call what it was given twice") {
  FakeBroker broker(echo);
  Loop loop;
  Client client{broker.endpoint()};
  int resumed = 0;
  const auto twice = resume_on([&loop](Resumption go_on) {
    loop.post(go_on);
    loop.post(go_on);
  });
  const auto run = [&]() -> Started {
    co_await client.co_call<int>("a.b", 1, twice);
    ++resumed;
    co_await std::suspend_always{};
    ++resumed;
  };
  const auto coroutine = run();
  CHECK(loop.run_one());
  CHECK(loop.run_one());
  CHECK(resumed == 1);
}

TEST_CASE("many coroutines wait at once") {
  FakeBroker broker(echo);
  Loop loop;
  Client client{broker.endpoint(), {.executor = loop.executor()}};
  int sum = 0;
  const auto run = [&](int from) -> Started {
    for (int i = 0; i < 10; ++i) sum += co_await client.co_call<int>("a.b", from + i, timeout(60s));
  };
  std::deque<Started> all;
  for (int i = 0; i < 100; ++i) all.emplace_back(run(10 * i));
  for (int i = 0; i < 1000; ++i) REQUIRE(loop.run_one());
  CHECK(sum == 1000 * 999 / 2);
  for (const auto& coroutine : all) CHECK(coroutine.done());
}

TEST_CASE("to destroy a coroutine that waits cancels its call") {
  FakeBroker broker(hold);
  Client client{broker.endpoint()};
  bool left = false;
  bool went_on = false;
  const auto run = [&]() -> Started {
    const Leaves leaves{left};
    co_await client.co_try_call<int>("a.b", 1, timeout(60s));
    went_on = true;
  };
  auto coroutine = run();
  REQUIRE(broker.wait_for_requests(1));
  CHECK_FALSE(left);
  coroutine.destroy();
  CHECK(left);
  CHECK(broker.wait_for_cancels(1));
  CHECK_FALSE(went_on);
}

TEST_CASE("a coroutine that is destroyed before its executor comes to it is not resumed") {
  FakeBroker broker(echo);
  Loop loop;
  Client client{broker.endpoint(), {.executor = loop.executor()}};
  bool went_on = false;
  const auto run = [&]() -> Started {
    co_await client.co_call<int>("a.b", 1);
    went_on = true;
  };
  auto coroutine = run();
  client.call<int>("a.b", 1);
  client.async_call<int>("a.b", 1).get();
  Started second = run();
  coroutine.destroy();  // its resumption is in the queue, or will be
  CHECK(loop.run_one());
  CHECK(loop.run_one());
  CHECK(went_on);  // the second one
  CHECK(second.done());
}

TEST_CASE("a call that is begun and abandoned on the client's own thread is not sent") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  const auto brief = [&]() -> Started { co_await client.co_call<int>("a.brief", 1); };
  const auto task = [&]() -> Task<> {
    co_await client.co_call<int>("a.b", 1);
    brief().destroy();
    co_await client.co_call<int>("a.b", 1);
  };
  sync_wait(task());
  for (const auto& request : broker.requests()) CHECK(request.method == "a.b");
}

TEST_CASE("a call that nobody awaits is not made") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  {
    [[maybe_unused]] auto call = client.co_call<int>("a.never", 1);
    [[maybe_unused]] auto moved = std::move(call);
  }
  CHECK(client.call<int>("a.b", 1) == 1);
  CHECK(broker.requests().size() == 1);
}

TEST_CASE("a call can be awaited once") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  const auto task = [&]() -> Task<> {
    auto call = client.co_call<int>("a.b", 1);
    const int one = co_await call;
    CHECK(one == 1);
    co_await call;
  };
  CHECK_THROWS_AS(sync_wait(task()), std::logic_error);
}

TEST_CASE("coroutines go on with `cancelled` when their client is destroyed") {
  FakeBroker broker(hold);
  auto client = std::make_unique<Client>(broker.endpoint());
  std::vector<Status> seen;
  const auto run = [&]() -> Started {
    Client& mine = *client;
    seen.push_back((co_await mine.co_try_call<int>("a.b", 1, timeout(60s))).status());
    seen.push_back((co_await mine.co_try_call<int>("a.b", 1, timeout(60s))).status());  // there is no more
    auto stream = mine.co_stream<int>("a.b");
    try {
      co_await stream.next();
    } catch (const Error& error) {
      seen.push_back(error.code());
    }
  };
  const auto coroutine = run();
  REQUIRE(broker.wait_for_requests(1));
  client.reset();
  CHECK(coroutine.done());
  CHECK(seen == std::vector<Status>(3, Status::cancelled));
}

TEST_CASE("when_all keeps the outcome of each call") {
  FakeBroker broker(picky);
  Client client{broker.endpoint()};
  const auto task = [&]() -> Task<> {
    auto [number, text, failed, nothing, unsent] =
        co_await when_all(client.co_call<int>("a.b", 1), client.co_try_call<std::string>("a.b", "x"),
                          client.co_call<int>("a.bad", 1), client.co_call<void>("a.b", 1),
                          client.co_call("a.b", packed("\x01")));
    CHECK(number.value() == 1);
    CHECK(text.value() == "x");
    CHECK(failed.status() == Status::app_error);
    CHECK(nothing.ok());
    CHECK(unsent.status() == Status::bad_request);

    std::vector<CoCall<int>> calls;
    calls.reserve(100);
    for (int i = 0; i < 100; ++i) calls.push_back(client.co_call<int>(i == 50 ? "a.bad" : "a.b", i));
    const auto results = co_await when_all(std::move(calls));
    REQUIRE(results.size() == 100);
    for (int i = 0; i < 100; ++i)
      CHECK(results[static_cast<std::size_t>(i)].value_or(-1) == (i == 50 ? -1 : i));

    const auto none = co_await when_all(std::vector<CoTryCall<int>>{});
    CHECK(none.empty());
    auto [only] = co_await when_all(client.co_call("a.b", packed("\x01")));
    CHECK(only.status() == Status::bad_request);
  };
  sync_wait(task());
}

TEST_CASE("when_all makes its calls at once, and goes on where the first would") {
  FakeBroker broker(
      [held = std::vector<FakeRequest>{}](FakeBroker& self, const FakeRequest& request) mutable {
        held.push_back(request);
        if (held.size() < 3) return;  // a caller that waits for one after the other gets nothing
        for (const auto& each : held) echo(self, each);
      });
  Loop loop;
  Loop other;
  Client client{broker.endpoint(), {.executor = other.executor()}};
  bool done = false;
  const auto run = [&]() -> Started {
    co_await when_all(client.co_call<int>("a.b", 1, resume_on(loop.executor())),
                      client.co_call<int>("a.b", 2), client.co_call<int>("a.b", 3));
    done = true;
  };
  const auto coroutine = run();
  CHECK(loop.run_one());
  CHECK(done);
  CHECK(other.empty());
}

TEST_CASE("to destroy a coroutine cancels all calls of its when_all") {
  FakeBroker broker(hold);
  Client client{broker.endpoint()};
  const auto run = [&]() -> Started {
    co_await when_all(client.co_call<int>("a.b", 1, timeout(60s)),
                      client.co_call<int>("a.b", 2, timeout(60s)));
  };
  auto coroutine = run();
  REQUIRE(broker.wait_for_requests(2));
  coroutine.destroy();
  CHECK(broker.wait_for_cancels(2));
}

TEST_CASE("when_all waits for futures, and keeps the outcome of each") {
  FakeBroker broker(picky);
  Client client{broker.endpoint()};
  auto [number, text] =
      when_all(client.async_call<int>("a.b", 1), client.async_call<std::string>("a.bad", "x"));
  CHECK(number.value() == 1);
  CHECK(text.status() == Status::app_error);
  std::vector<Future<int>> futures;
  futures.reserve(10);
  for (int i = 0; i < 10; ++i) futures.push_back(client.async_call<int>(i == 5 ? "a.bad" : "a.b", i));
  const auto results = when_all(std::move(futures));
  REQUIRE(results.size() == 10);
  for (int i = 0; i < 10; ++i) CHECK(results[static_cast<std::size_t>(i)].value_or(-1) == (i == 5 ? -1 : i));
}

TEST_CASE("a coroutine reads a stream to its end") {
  std::uint64_t sent = 0;
  FakeRequest held;
  const auto go_on = [&](FakeBroker& broker, std::uint64_t window) {
    for (; sent < std::min<std::uint64_t>(window, 100); ++sent) broker.items(held, sent, {number(sent)});
    if (sent == 100) broker.end(held);
  };
  FakeBroker broker([&](FakeBroker& self, const FakeRequest& request) {
    held = request;
    go_on(self, 4);
  });
  broker.run([&](FakeBroker& self) {
    self.on_window = [&](FakeBroker& its, std::uint64_t, std::uint64_t items) { go_on(its, items); };
  });
  Loop loop;
  Client client{broker.endpoint()};
  std::vector<int> seen;
  const auto here = std::this_thread::get_id();
  const auto run = [&]() -> Started {
    auto stream = client.co_stream<int>("a.count", window(4), resume_on(loop.executor()));
    while (const auto item = co_await stream.next()) {
      CHECK(std::this_thread::get_id() == here);
      seen.push_back(*item);
    }
    const auto stays = co_await stream.next();
    CHECK_FALSE(stays.has_value());
  };
  const auto coroutine = run();
  while (!coroutine.done()) REQUIRE(loop.run_one());
  REQUIRE(seen.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a coroutine gets the items that came before a stream's error") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.items(request, 0, {number(1), number(2)});
    proto::ErrorValue error;
    error.message = "it broke";
    self.fail(request, Status::app_error, error);
  });
  Client client{broker.endpoint()};
  int sum = 0;
  const auto task = [&]() -> Task<> {
    auto stream = client.co_stream<int>("a.count");
    while (const auto item = co_await stream.next()) sum += *item;
  };
  CHECK_THROWS_AS(sync_wait(task()), Error);
  CHECK(sum == 3);
}

TEST_CASE("to destroy a coroutine that reads a stream cancels the stream") {
  FakeBroker broker(
      [](FakeBroker& self, const FakeRequest& request) { self.items(request, 0, {number(1)}); });
  Client client{broker.endpoint()};
  Loop loop;
  bool left = false;
  const auto run = [&]() -> Started {
    const Leaves leaves{left};
    auto stream = client.co_stream<int>("a.count", timeout(60s), resume_on(loop.executor()));
    for (;;) co_await stream.next();
  };
  auto coroutine = run();
  CHECK(loop.run_one());  // the item
  coroutine.destroy();
  CHECK(left);
  CHECK(broker.wait_for_cancels(1));
  CHECK(loop.empty());
}

TEST_CASE("a task gives its value, its exception, or nothing") {
  const auto value = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  const auto outer = [&]() -> Task<int> {
    const auto inner = co_await value();
    co_return *inner + 1;
  };
  CHECK(sync_wait(outer()) == 8);
  const auto throws = []() -> Task<int> {
    throw std::runtime_error("x");
    co_return 1;
  };
  CHECK_THROWS_AS(sync_wait(throws()), std::runtime_error);
  auto twice = value();
  sync_wait(std::move(twice));
  CHECK_THROWS_AS(sync_wait(std::move(twice)), std::logic_error);  // NOLINT(bugprone-use-after-move)
}
