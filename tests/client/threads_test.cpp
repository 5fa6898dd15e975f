// The client and threads: many callers, callbacks, destruction, fork.
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <samovar/client.hpp>

#include "tests/client/fake_broker.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace std::chrono_literals;
using client::echo;
using client::FakeBroker;
using client::hold;
using client::TemporaryDirectory;

TEST_CASE("eight threads with a thousand calls each get their own results") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1'000; ++i) {
        const int value = t * 1'000 + i;
        if (client.try_call<int>("a.b", value, timeout(60s)).value_or(-1) != value) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(broker.requests().size() == 8'000);
}

TEST_CASE("calls, futures and callbacks from many threads share one client") {
  FakeBroker broker(echo);
  std::atomic<int> wrong{0};
  std::atomic<int> called_back{0};
  {
    Client client{broker.endpoint()};
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        std::vector<Future<int>> futures;
        for (int i = 0; i < 300; ++i) {
          const int value = t * 1'000 + i;
          if (t % 3 == 0) {
            futures.push_back(client.async_call<int>("a.b", value, timeout(60s)));
          } else if (t % 3 == 1) {
            client.async_call("a.b", value, timeout(60s), [&, value](Result<int> r) {
              if (r.value_or(-1) != value) ++wrong;
              ++called_back;
            });
          } else if (client.try_call<int>("a.b", value, timeout(60s)).value_or(-1) != value) {
            ++wrong;
          }
        }
        for (int i = 0; i < static_cast<int>(futures.size()); ++i) {
          if (futures[static_cast<std::size_t>(i)].get() != t * 1'000 + i) ++wrong;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    auto last = client.async_call<int>("a.b", 1);
    last.wait();
    for (int i = 0; i < 2'000 && called_back < 600; ++i) CHECK(client.call<int>("a.b", 1) == 1);
  }
  CHECK(called_back == 600);
  CHECK(wrong == 0);
}

TEST_CASE("calls that are made while the connection is busy form bundles by themselves") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  std::vector<Future<int>> futures;
  for (int i = 0; i < 5'000; ++i) futures.push_back(client.async_call<int>("a.b", i));
  for (int i = 0; i < 5'000; ++i) CHECK(futures[static_cast<std::size_t>(i)].get() == i);
  std::size_t most = 0;
  for (const auto& request : broker.requests()) most = std::max(most, request.in_bundle);
  CHECK(most > 1);
}

TEST_CASE("a callback may make calls, but must not wait for one") {
  FakeBroker broker(echo);
  std::promise<int> nested;
  std::promise<bool> threw;
  Client client{broker.endpoint()};
  client.async_call("a.b", 1, [&](Result<int>) {
    client.async_call("a.b", 2, [&](Result<int> r) { nested.set_value(r.value()); });
    auto future = client.async_call<int>("a.b", 3);
    bool both = false;
    try {
      client.call<int>("a.b", 4);
    } catch (const std::logic_error&) {
      try {
        future.get();
      } catch (const std::logic_error&) {
        both = true;
      }
    }
    threw.set_value(both);
  });
  CHECK(threw.get_future().get());
  CHECK(nested.get_future().get() == 2);
}

TEST_CASE("callbacks run on one thread, which is none of the callers'") {
  FakeBroker broker(echo);
  std::vector<std::thread::id> ids;
  std::promise<void> done;
  Client client{broker.endpoint()};
  for (int i = 0; i < 50; ++i) {
    client.async_call("a.b", i, [&](Result<int>) {
      ids.push_back(std::this_thread::get_id());
      if (ids.size() == 50) done.set_value();
    });
    CHECK(client.call<int>("a.b", i) == i);
  }
  done.get_future().wait();
  for (const auto id : ids) CHECK((id == ids[0] && id != std::this_thread::get_id()));
}

TEST_CASE("callbacks that call again do not nest, and run in the order of the replies") {
  FakeBroker broker(echo);
  constexpr int kLanes = 50;
  constexpr int kCalls = 20'000;
  std::vector<int> order;
  bool nested = false;
  bool inside = false;
  std::promise<void> done;
  Client client{broker.endpoint()};
  int next = 0;
  std::function<void()> go = [&] {
    client.async_call("a.b", next++, [&](Result<int> r) {
      nested = nested || std::exchange(inside, true);
      order.push_back(r.value());
      if (next < kCalls) go();
      inside = false;
      if (order.size() == kCalls) done.set_value();
    });
  };
  // Started in a callback, so that `next` belongs to one thread.
  client.async_call("a.b", -1, [&](Result<int>) {
    for (int i = 0; i < kLanes; ++i) go();
  });
  done.get_future().wait();
  CHECK(!nested);
  std::vector<int> expected(kCalls);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(order == expected);
}

TEST_CASE("a callback may start more calls than fit into a message") {
  FakeBroker broker(echo);
  constexpr int kCalls = 5'000;
  int ended = 0;
  std::promise<int> last;
  Client client{broker.endpoint()};
  client.async_call("a.b", -1, [&](Result<int>) {
    for (int i = 0; i < kCalls; ++i) {
      client.async_call("a.b", i, [&](Result<int> r) {
        if (++ended == kCalls) last.set_value(r.value());
      });
    }
  });
  CHECK(last.get_future().get() == kCalls - 1);
}

TEST_CASE("calls that callbacks start beyond max_outstanding are refused as overloaded") {
  FakeBroker broker([](FakeBroker& me, const client::FakeRequest& request) {
    if (request.method == "a.b") me.reply(request, "\x01");
  });
  constexpr int kCalls = 3'000;
  std::atomic<int> overloaded{0};
  std::promise<void> done;
  std::optional<Client> client(std::in_place, broker.endpoint(),
                               ClientOptions{.timeout = 60s, .max_outstanding = 10, .name = ""});
  client->async_call("a.b", 1, [&](Result<int>) {
    for (int i = 0; i < kCalls; ++i) {
      client->async_call("never.answered", i, [&](Result<int> r) {
        if (r.status() == Status::overloaded && ++overloaded == kCalls - 10) done.set_value();
      });
    }
  });
  done.get_future().wait();
  client.reset();
  CHECK(overloaded == kCalls - 10);
}

TEST_CASE(
    "a call that a callback starts is sent when others drive the connection, though the callback runs on") {
  std::promise<void> second;
  FakeBroker broker([&](FakeBroker& me, const client::FakeRequest& request) {
    if (request.method == "a.second") second.set_value();
    if (request.method != "never.answered") me.reply(request, "\x01");
  });
  std::optional<Client> client(std::in_place, broker.endpoint());
  std::promise<void> in_callback;
  std::promise<void> others_wait;
  std::promise<bool> sent;
  std::thread other([&, future = client->async_call<int>("never.answered")]() mutable {
    in_callback.get_future().wait();
    others_wait.set_value();
    CHECK(future.result().status() == Status::cancelled);
  });
  client->async_call("a.first", [&](Result<int>) {
    in_callback.set_value();
    others_wait.get_future().wait();
    // The other thread may begin to lead only now: what was started before that goes with the next call at the latest.
    auto sent_now = second.get_future();
    client->async_call("a.second", [](Result<int>) {});
    auto future = client->async_call<int>("a.third");
    sent.set_value(sent_now.wait_for(20s) == std::future_status::ready);
  });
  CHECK(sent.get_future().get());
  client.reset();
  other.join();
}

TEST_CASE("what a callback holds is released when it has run") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  struct Large {
    std::shared_ptr<int> held;
    char more[200];
  };
  auto small = std::make_shared<int>();
  auto large = std::make_shared<int>();
  const std::weak_ptr<int> small_watch = small;
  const std::weak_ptr<int> large_watch = large;
  std::promise<bool> released;
  client.async_call("a.b", 1, [small = std::move(small)](Result<int>) {});
  client.async_call("a.b", 2, [large = Large{std::move(large), {}}](Result<int>) {});
  client.async_call("a.b", 3,
                    [&](Result<int>) { released.set_value(small_watch.expired() && large_watch.expired()); });
  CHECK(released.get_future().get());
}

TEST_CASE("a slow callback does not delay a caller that waits") {
  FakeBroker broker(echo);
  std::promise<void> in_callback;
  std::promise<void> release;
  Client client{broker.endpoint()};
  client.async_call("a.b", 1, [&](Result<int>) {
    in_callback.set_value();
    release.get_future().wait();
  });
  in_callback.get_future().wait();
  CHECK(client.call<int>("a.b", 2) == 2);
  release.set_value();
}

TEST_CASE("the destructor ends outstanding calls as cancelled and runs their callbacks") {
  FakeBroker broker(hold);
  std::optional<Client> client(std::in_place, broker.endpoint());
  std::atomic<int> cancelled{0};
  std::atomic<int> dropped{0};
  Client* raw = &*client;
  for (int i = 0; i < 10; ++i) {
    client->async_call("a.b", i, [&, raw](Result<int> r) {
      if (r.status() == Status::cancelled) ++cancelled;
      raw->async_call("a.b", 1, [&](Result<int>) { ++dropped; });
    });
  }
  auto future = client->async_call<int>("a.b", 1);
  REQUIRE(broker.wait_for_requests(11));
  client.reset();
  CHECK(cancelled == 10);
  CHECK(dropped == 0);
  CHECK(future.ready());
  CHECK(future.result().status() == Status::cancelled);
}

TEST_CASE("the destructor does not wait for a broker that is not there") {
  const TemporaryDirectory directory;
  std::optional<Future<int>> future;
  {
    Client client{directory.endpoint()};
    future = client.async_call<int>("a.b", timeout(1h));
  }
  CHECK(future->result().status() == Status::cancelled);
}

TEST_CASE("the destructor releases a thread that waits in a future") {
  FakeBroker broker(hold);
  std::optional<Client> client(std::in_place, broker.endpoint());
  std::vector<std::future<Status>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(
        std::async(std::launch::async, [future = client->async_call<int>("a.b", timeout(1h))]() mutable {
          return future.result().status();
        }));
  }
  REQUIRE(broker.wait_for_requests(4));
  client.reset();
  for (auto& status : waiting) CHECK(status.get() == Status::cancelled);
}

TEST_CASE("a future may be cancelled by another thread than the one that waits in it") {
  FakeBroker broker(hold);
  Client client(broker.endpoint());
  auto future = client.async_call<int>("a.b", timeout(1h));
  auto waiting = std::async(std::launch::async, [&future] { future.wait(); });
  REQUIRE(broker.wait_for_requests(1));
  future.cancel();
  waiting.get();
  CHECK(future.result().status() == Status::cancelled);
}

TEST_CASE("a client may be destroyed by its own callback") {
  FakeBroker broker(echo);
  const auto done = std::make_shared<std::promise<void>>();  // its thread outlives this test by a little
  auto client = std::make_unique<Client>(broker.endpoint());
  Client* raw = client.get();
  raw->async_call("a.b", 1, [client = std::move(client), done](Result<int>) mutable {
    client.reset();
    done->set_value();
  });
  done->get_future().wait();
}

TEST_CASE("more calls than max_outstanding are refused as overloaded") {
  FakeBroker broker(hold);
  Client client{broker.endpoint(), {.timeout = 60s, .max_outstanding = 2, .name = ""}};
  auto first = client.async_call<int>("a.b");
  auto second = client.async_call<int>("a.b");
  REQUIRE(broker.wait_for_requests(2));
  CHECK(client.try_call<int>("a.b").status() == Status::overloaded);
}

TEST_CASE("after fork the child is told to make its own client, and the parent's goes on") {
  FakeBroker broker(echo);
  auto client = std::make_unique<Client>(broker.endpoint());
  auto future = client->async_call<int>("a.b", 1);
  CHECK(client->call<int>("a.b", 1) == 1);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int code = 1;
    try {
      client->call<int>("a.b", 2);
    } catch (const std::logic_error&) {
      code = 2;
    }
    try {
      client->async_call<int>("a.b", 2);
    } catch (const std::logic_error&) {
      code += 10;
    }
    client.reset();  // must not hang
    _exit(code);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 12);
  CHECK(future.get() == 1);
  CHECK(client->call<int>("a.b", 3) == 3);
}
