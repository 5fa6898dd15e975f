// Streams of the client against a fake broker.
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include <samovar/client.hpp>

#include "proto/control.hpp"
#include "tests/client/fake_broker.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace std::chrono_literals;
using client::FakeBroker;
using client::FakeRequest;

namespace {

std::string packed_int(int value) {
  std::string out;
  detail::pack_value(out, value);
  return out;
}

// Sends items 0 to `count` - 1, whatever the window, and the end.
FakeBroker::Handler count_to(int count) {
  return [count](FakeBroker& broker, const FakeRequest& request) {
    for (int i = 0; i < count; ++i) broker.item(request, static_cast<std::uint64_t>(i), packed_int(i));
    broker.reply(request, proto::kNil);
  };
}

}  // namespace

TEST_CASE("a stream is a range") {
  FakeBroker broker(count_to(100));
  Client client{broker.endpoint()};
  std::vector<int> items;
  for (const int item : client.stream<int>("a.count", 100)) items.push_back(item);
  REQUIRE(items.size() == 100);
  CHECK(items.front() == 0);
  CHECK(items.back() == 99);
  CHECK((broker.requests().at(0).flags & proto::kStream) != 0);
}

TEST_CASE("a stream without items ends at once") {
  FakeBroker broker(count_to(0));
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.count", 0);
  CHECK(!stream.next());
  CHECK(!stream.next());
}

TEST_CASE("the window grows as items are taken, and not before") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    for (int i = 0; i < 4; ++i) self.item(request, static_cast<std::uint64_t>(i), packed_int(i));
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.count", samovar::window(4));
  REQUIRE(broker.wait_for_requests(1));
  CHECK(broker.requests().at(0).ext.find("window") != std::string::npos);
  CHECK(stream.next() == 0);
  CHECK(stream.next() == 1);
  CHECK(broker.wait_for_window(6));
  CHECK(stream.next() == 2);
  CHECK(stream.next() == 3);
  CHECK(broker.wait_for_window(8));
}

TEST_CASE("an error in mid-stream comes after the items before it, once") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.item(request, 0, packed_int(7));
    proto::ErrorValue error;
    error.message = "no more tea";
    self.fail(request, Status::app_error, error);
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.count");
  CHECK(stream.next() == 7);
  CHECK_THROWS_AS(stream.next(), Error);
  CHECK(!stream.next());
}

TEST_CASE("a reader that leaves cancels its stream") {
  FakeBroker broker(
      [](FakeBroker& self, const FakeRequest& request) { self.item(request, 0, packed_int(1)); });
  Client client{broker.endpoint()};
  {
    auto stream = client.stream<int>("a.count");
    CHECK(stream.next() == 1);
  }
  CHECK(broker.wait_for_cancels(1));
  auto stream = client.stream<int>("a.count");
  CHECK(stream.next() == 1);
  stream.cancel();
  CHECK(!stream.next());
  CHECK(broker.wait_for_cancels(2));
}

TEST_CASE("an item that is lost ends its stream") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.item(request, 0, packed_int(0));
    self.item(request, 2, packed_int(2));
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.count");
  CHECK(stream.next() == 0);
  try {
    stream.next();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == Status::internal);
    CHECK(std::string(error.what()).find("item 1") != std::string::npos);
  }
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("an item of another type is an error that names it") {
  FakeBroker broker(count_to(1));
  Client client{broker.endpoint()};
  auto stream = client.stream<std::string>("a.count");
  CHECK_THROWS_AS(stream.next(), Error);
}

TEST_CASE("attachments come with their item") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.item(request, 0, packed_int(0), {"one", "two"});
    self.item(request, 1, packed_int(1));
    self.reply(request, proto::kNil);
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.count");
  CHECK(stream.next() == 0);
  REQUIRE(stream.attachments().size() == 2);
  CHECK(stream.attachments()[1].bytes() == "two");
  CHECK(stream.next() == 1);
  CHECK(stream.attachments().empty());
  CHECK(!stream.next());
}

TEST_CASE("callbacks get the items in their order, and the end once") {
  FakeBroker broker(count_to(50));
  Client client{broker.endpoint()};
  std::vector<int> items;
  std::promise<Status> ended;
  client.async_stream<int>(
      "a.count", [&](Result<int> item) { items.push_back(item.value()); },
      [&](Result<void> end) { ended.set_value(end.status()); }, 50);
  CHECK(ended.get_future().get() == Status::ok);
  CHECK(items.size() == 50);
  CHECK(items.back() == 49);
}

TEST_CASE("the window of a stream with callbacks grows when they have returned") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    for (int i = 0; i < 8; ++i) self.item(request, static_cast<std::uint64_t>(i), packed_int(i));
  });
  Client client{broker.endpoint()};
  const auto handle = client.async_stream<int>(
      "a.count", [](Result<int>) {}, [](Result<void>) {}, samovar::window(8));
  CHECK(broker.wait_for_window(16));
}

TEST_CASE("a stream of callbacks can be cancelled from elsewhere") {
  FakeBroker broker(
      [](FakeBroker& self, const FakeRequest& request) { self.item(request, 0, packed_int(1)); });
  Client client{broker.endpoint()};
  std::promise<Status> ended;
  const auto handle = client.async_stream<int>(
      "a.count", [](Result<int>) {}, [&](Result<void> end) { ended.set_value(end.status()); });
  REQUIRE(broker.wait_for_requests(1));
  handle.cancel();
  CHECK(ended.get_future().get() == Status::cancelled);
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("a stream ends with its broker, also an idempotent one of which items have come") {
  auto broker = std::make_unique<FakeBroker>(
      [](FakeBroker& self, const FakeRequest& request) { self.item(request, 0, packed_int(1)); });
  Client client{broker->endpoint()};
  auto stream = client.stream<int>("a.count", samovar::idempotent);
  CHECK(stream.next() == 1);
  broker.reset();
  try {
    stream.next();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == Status::broker_lost);
  }
}

TEST_CASE("a stream outlives its client as cancelled") {
  FakeBroker broker(
      [](FakeBroker& self, const FakeRequest& request) { self.item(request, 0, packed_int(1)); });
  auto client = std::make_unique<Client>(broker.endpoint());
  auto stream = client->stream<int>("a.count");
  CHECK(stream.next() == 1);
  client.reset();
  try {
    stream.next();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == Status::cancelled);
  }
}

TEST_CASE("the timeout holds for the whole stream") {
  FakeBroker broker(
      [](FakeBroker& self, const FakeRequest& request) { self.item(request, 0, packed_int(1)); });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.count", samovar::timeout(50ms));
  CHECK(stream.next() == 1);
  try {
    stream.next();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == Status::deadline_exceeded);
  }
}
