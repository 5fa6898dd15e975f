// A client of several brokers, with real sockets.
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
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

namespace {

// Until it has been used.
void call_until_used(Client& client, FakeBroker& broker) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (broker.requests().empty()) {
    REQUIRE(client.call<int>("a.b", 1, timeout(20s), idempotent) == 1);
    REQUIRE(std::chrono::steady_clock::now() < end);
  }
}

}  // namespace

TEST_CASE("calls go to all brokers, and when one dies they go on with the others") {
  std::optional<FakeBroker> one(std::in_place, echo);
  FakeBroker other(echo);
  Client client{one->endpoint() + "," + other.endpoint()};
  call_until_used(client, *one);
  call_until_used(client, other);
  one.reset();
  for (int i = 0; i < 200; ++i) CHECK(client.call<int>("a.b", i, timeout(20s), idempotent) == i);
}

TEST_CASE("what a broker held when it died is made again with another one, if that may be") {
  std::optional<FakeBroker> one(std::in_place, hold);
  FakeBroker other(echo);
  Client client{one->endpoint() + "," + other.endpoint()};
  std::vector<Future<int>> futures;
  while (one->requests().empty())
    futures.push_back(client.async_call<int>("a.b", 7, timeout(60s), idempotent));
  one.reset();
  for (auto& future : futures) CHECK(future.get() == 7);
}

TEST_CASE("a broker that comes later gets its share") {
  const TemporaryDirectory directory;
  FakeBroker one(echo);
  Client client{one.endpoint() + "," + directory.endpoint()};
  CHECK(client.call<int>("a.b", 1, timeout(20s)) == 1);
  FakeBroker late(echo, directory.endpoint());
  call_until_used(client, late);
}

TEST_CASE("results and errors name the broker that they came from") {
  FakeBroker broker([](FakeBroker& self, const client::FakeRequest& request) {
    if (request.method == "a.fails") return self.fail(request, Status::app_error, {});
    self.reply(request, "\x01", Status::ok, "\x81\xa6worker\xa1w");
  });
  const TemporaryDirectory directory;
  std::optional<Result<int>> result;
  {
    Client client{broker.endpoint() + "," + directory.endpoint()};
    CHECK(client.try_call<int>("a.fails", timeout(20s)).error().details().endpoint == broker.endpoint());
    result = client.try_call<int>("a.b", timeout(20s), metadata);
  }
  CHECK(result->metadata().endpoint == broker.endpoint());
}

TEST_CASE("without a broker the error of a call names them all") {
  const TemporaryDirectory one;
  const TemporaryDirectory other;
  Client client{one.endpoint() + "," + other.endpoint()};
  CHECK(client.endpoint() == one.endpoint() + "," + other.endpoint());
  const auto result = client.try_call<int>("a.b", timeout(20ms));
  CHECK(std::string(result.error().what()) == "unavailable: no broker answers at " + one.endpoint() + " or " +
                                                  other.endpoint() + ": is samovard running there? (a.b)");
}

TEST_CASE("a name stands for the addresses that it has") {
  FakeBroker broker(echo);
  const auto port = broker.endpoint().substr(broker.endpoint().rfind(':') + 1);
  Client client{"dns+tcp://localhost:" + port};
  CHECK(client.call<int>("a.b", 5, timeout(20s)) == 5);
}

TEST_CASE("a name without an address is named in the error") {
  Client client{"dns+tcp://name.invalid:7711"};
  const auto result = client.try_call<int>("a.b", timeout(50ms));
  CHECK(result.status() == Status::unavailable);
  CHECK(result.error().message().starts_with("no broker is known: 'name.invalid' has no address"));
}

TEST_CASE("a connection is made anew when it is old, and no call notices") {
  std::atomic<std::size_t> answered = 0;
  FakeBroker broker([&](FakeBroker& self, const client::FakeRequest& request) {
    echo(self, request);
    ++answered;
  });
  ClientOptions options;
  options.max_connection_age = 20ms;
  Client client{broker.endpoint(), options};
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (broker.hellos() < 3) {
    REQUIRE(client.call<int>("a.b", 1, timeout(20s)) == 1);
    REQUIRE(std::chrono::steady_clock::now() < end);
  }
}
