// The client when its broker is not there, comes late, goes, or forgets it.
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
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

TEST_CASE("without a broker a call ends as unavailable at its timeout and names the endpoint") {
  const TemporaryDirectory directory;
  Client client{directory.endpoint()};
  const auto start = std::chrono::steady_clock::now();
  const auto result = client.try_call<int>("a.b", timeout(50ms));
  CHECK(result.status() == Status::unavailable);
  CHECK(std::chrono::steady_clock::now() - start >= 50ms);
  CHECK(result.error().retryable());
  CHECK(std::string(result.error().what()) ==
        "unavailable: no broker answers at " + directory.endpoint() + ": is samovard running there? (a.b)");
}

TEST_CASE("a call waits for a broker that starts late") {
  const TemporaryDirectory directory;
  Client client{directory.endpoint()};
  auto future = client.async_call<int>("a.b", 5, timeout(20s));
  CHECK_FALSE(future.wait_for(30ms));
  FakeBroker broker(echo, directory.endpoint());
  CHECK(future.get() == 5);
}

TEST_CASE("a broker that starts after a call's timeout is not sent it") {
  const TemporaryDirectory directory;
  Client client{directory.endpoint()};
  CHECK(client.try_call<int>("a.late", timeout(20ms)).status() == Status::unavailable);
  FakeBroker broker(echo, directory.endpoint());
  CHECK(client.call<int>("a.next", 1, timeout(20s)) == 1);
  const auto requests = broker.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].method == "a.next");
}

TEST_CASE("when the broker dies, what it held ends as broker_lost at once") {
  std::optional<FakeBroker> broker(std::in_place, hold);
  Client client{broker->endpoint()};
  auto future = client.async_call<int>("a.b", timeout(60s));
  auto waiting =
      std::async(std::launch::async, [&] { return client.try_call<int>("a.c", timeout(60s)).status(); });
  REQUIRE(broker->wait_for_requests(2));
  broker.reset();
  const auto start = std::chrono::steady_clock::now();
  CHECK(future.result().status() == Status::broker_lost);
  CHECK(waiting.get() == Status::broker_lost);
  CHECK(std::chrono::steady_clock::now() - start < 10s);
}

TEST_CASE("after a restart an idempotent call is sent again as the second attempt, another is not") {
  const TemporaryDirectory directory;
  std::optional<FakeBroker> first(std::in_place, hold, directory.endpoint());
  Client client{directory.endpoint()};
  auto again = client.async_call<int>("a.again", 5, idempotent, metadata, timeout(60s));
  auto once = client.async_call<int>("a.once", 6, timeout(60s));
  REQUIRE(first->wait_for_requests(2));
  first.reset();
  FakeBroker second(echo, directory.endpoint());
  auto result = again.result();
  CHECK(result.value() == 5);
  CHECK(result.metadata().attempt == 2);
  CHECK(once.result().status() == Status::broker_lost);
  const auto requests = second.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].attempt == 2);
  CHECK(requests[0].timeout_us < 60'000'000);
}

TEST_CASE("an idle client finds a restarted broker at its next call") {
  const TemporaryDirectory directory;
  Client client{directory.endpoint()};
  for (int round = 0; round < 5; ++round) {
    FakeBroker broker(echo, directory.endpoint());
    // Idempotent, since it may be made before the loss of the broker before has been noticed.
    CHECK(client.call<int>("a.b", round, idempotent, timeout(20s)) == round);
    CHECK(broker.hellos() == 1);
    CHECK(broker.requests().size() == 1);
  }
}

TEST_CASE("REGISTER_AGAIN makes a client say HELLO again and lose what was in flight") {
  FakeBroker broker([&](FakeBroker& self, const client::FakeRequest& request) {
    if (request.method == "a.forgotten") {
      self.send(request.peer, proto::encode(proto::Kind::register_again, 0, proto::Notice{"who are you"}));
    } else {
      echo(self, request);
    }
  });
  Client client{broker.endpoint()};
  CHECK(client.try_call<int>("a.forgotten", timeout(60s)).status() == Status::broker_lost);
  CHECK(client.call<int>("a.b", 1) == 1);
  CHECK(broker.hellos() == 2);
}

// Calls until one ends so; none of the others waits for the connection.
bool call_until(Client& client, Status status) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (client.try_call<int>("a.b", 1, timeout(60s)).status() != status) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

TEST_CASE("a client whose calls are all refused since its broker goes away finds the next one") {
  const TemporaryDirectory directory;
  std::optional<FakeBroker> first(
      std::in_place,
      [](FakeBroker& self, const client::FakeRequest& request) {
        echo(self, request);
        self.send(request.peer, proto::encode(proto::Kind::drain, request.epoch, proto::Notice{}));
      },
      directory.endpoint());
  Client client{directory.endpoint()};
  REQUIRE(call_until(client, Status::unavailable));
  first.reset();
  FakeBroker second(echo, directory.endpoint());
  CHECK(call_until(client, Status::ok));
}

TEST_CASE("a client that was refused finds the next broker") {
  const TemporaryDirectory directory;
  std::optional<FakeBroker> first(std::in_place, echo, directory.endpoint());
  first->run([](FakeBroker& self) { self.refuse = true; });
  Client client{directory.endpoint()};
  REQUIRE(call_until(client, Status::protocol_error));
  first.reset();
  FakeBroker second(echo, directory.endpoint());
  CHECK(call_until(client, Status::ok));
}

TEST_CASE("a client that is refused ends its calls as protocol_error") {
  FakeBroker broker(echo);
  broker.run([](FakeBroker& self) { self.refuse = true; });
  Client client{broker.endpoint()};
  const auto result = client.try_call<int>("a.b", 1, timeout(60s));
  CHECK(result.status() == Status::protocol_error);
  CHECK(result.error().message() == "the broker refused what this client sent: speak version 2");
  CHECK(client.try_call<int>("a.b", 1, timeout(60s)).status() == Status::protocol_error);
}

TEST_CASE("a broker that stops to answer costs a call its timeout and a little more") {
  FakeBroker broker(hold);
  Client client{broker.endpoint()};
  const auto start = std::chrono::steady_clock::now();
  const auto result = client.try_call<int>("a.b", timeout(50ms));
  CHECK(result.status() == Status::deadline_exceeded);
  CHECK(result.error().where() == "client");
  CHECK(std::chrono::steady_clock::now() - start >= 150ms);
}

TEST_CASE("calls outlive any number of restarts when they are idempotent, and end once when they are not") {
  const TemporaryDirectory directory;
  Client client{directory.endpoint()};
  std::atomic<bool> stop{false};
  std::atomic<int> ok{0};
  std::atomic<int> lost{0};
  std::atomic<int> other{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      for (int n = 0; !stop; ++n) {
        const auto result = i % 2 ? client.try_call<int>("a.b", n, idempotent, timeout(60s))
                                  : client.try_call<int>("a.b", n, timeout(60s));
        if (result.ok() && *result == n) {
          ++ok;
        } else if (result.status() == Status::broker_lost && i % 2 == 0) {
          ++lost;
        } else {
          ++other;
        }
      }
    });
  }
  for (int round = 0; round < 5; ++round) {
    FakeBroker broker(echo, directory.endpoint());
    REQUIRE(broker.wait_for_requests(200));
  }
  stop = true;
  FakeBroker last(echo, directory.endpoint());
  for (auto& caller : callers) caller.join();
  CHECK(ok > 500);
  CHECK(other == 0);
}
