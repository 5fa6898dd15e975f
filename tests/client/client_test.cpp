// The client against a fake broker: calls, options, results, errors.
#include <chrono>
#include <future>
#include <map>
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
using client::FakeRequest;

namespace {

struct Place {
  std::string country;
  double latitude = 0;
  std::optional<int> people;
  MSGPACK_DEFINE_MAP(country, latitude, people)
};

template <typename T>
std::string packed_value(const T& value) {
  std::string out;
  detail::pack_value<detail::Packable<T>>(out, value);
  return out;
}

template <typename F>
Error error_of(F&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no samovar::Error");
  throw std::logic_error("not reached");
}

}  // namespace

TEST_CASE("a call returns its result") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  CHECK(client.call<std::string>("ipgeo.country", "1.0.1.0") == "1.0.1.0");
  CHECK(client.call<int>("a.b", 42) == 42);
  CHECK(client.call<std::vector<std::string>>("a.b", std::vector<std::string>{"x", "y"}).size() == 2);
  client.call<void>("a.b", 1);
  CHECK(client.endpoint() == broker.endpoint());
}

TEST_CASE("values of every type come back as they were sent") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  const auto same = [&](const auto& value) {
    using T = std::decay_t<decltype(value)>;
    return client.call<T>("a.b", value) == value;
  };
  CHECK(same(true));
  CHECK(same(std::int64_t{INT64_MIN}));
  CHECK(same(std::uint64_t{UINT64_MAX}));
  CHECK(same(1.5));
  CHECK(client.call("a.b", 1.0).type() == Value::Type::real);
  CHECK(client.call("a.b", std::vector<float>{2.0f})[0].type() == Value::Type::real);
  CHECK(client.call("a.b", Place{"CN", 39.0, 7})["latitude"].type() == Value::Type::real);
  CHECK(same(std::string("text \xc3\xa9")));
  CHECK(same(std::vector<std::uint8_t>{0, 255}));
  CHECK(same(std::map<std::string, int>{{"a", 1}}));
  CHECK(same(std::optional<int>{}));
  CHECK(same(std::chrono::system_clock::now()));
  CHECK(same(std::chrono::system_clock::time_point{-1ns}));
  CHECK(same(std::chrono::system_clock::time_point{9'000'000'000s}));
  CHECK(same(std::chrono::system_clock::time_point{1s}));
  const auto place = client.call<Place>("a.b", Place{"CN", 39.9, 7});
  CHECK(place.country == "CN");
  CHECK(place.people == 7);
  CHECK(client.call("a.b", nullptr).is_nil());
  CHECK(client.call("a.b", "text").is_text());
  CHECK(client.call("a.b", samovar::bytes("bytes")).is_bytes());
  CHECK(client.call("a.b", std::vector<char>{'x'}).is_bytes());
  const std::string viewed = "viewed";
  CHECK(client.call("a.b", std::as_bytes(std::span(viewed))).is_bytes());
  CHECK(client.call<std::string>("a.b", std::string_view(viewed)) == "viewed");
}

TEST_CASE("a call without a timeout leaves the deadline to the broker") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  client.call<int>("svc.open", 1);
  client.call<int>("svc.timed", 1, timeout(2s));
  const auto requests = broker.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].timeout_us == 0);
  CHECK(requests[1].timeout_us > 0);
}

TEST_CASE("options and arguments reach the wire") {
  FakeBroker broker(echo);
  Client client{broker.endpoint(), {.timeout = 10s, .max_outstanding = 100, .name = "tester"}};
  client.call<int>("svc.plain", 1);
  client.call<int>("svc.all", 1, timeout(2s), idempotent, kw("hmm", false), metadata, 2, priority::bulk,
                   kw("mode", "fast"));
  client.call("svc.packed", packed(std::string_view("\x92\x01\x02", 3), "\x81\xa1k\x05"), priority::urgent);
  const auto requests = broker.requests();
  REQUIRE(requests.size() == 3);
  CHECK(requests[0].method == "svc.plain");
  CHECK(requests[0].body == std::string("\x91\x01\xc0", 3));
  CHECK(requests[0].ext == "\xc0");
  CHECK(requests[0].flags == 0);
  CHECK(requests[0].attempt == 1);
  CHECK(requests[0].timeout_us > 9'000'000);
  CHECK(requests[0].timeout_us <= 10'000'000);
  CHECK(requests[0].sent_us > 0);
  CHECK(requests[0].priority == 1);
  CHECK(requests[1].body == std::string("\x92\x01\x02\x82\xa3hmm\xc2\xa4mode\xa4") + "fast");
  CHECK(requests[1].flags == (proto::kIdempotent | proto::kMetadata));
  CHECK(requests[1].timeout_us <= 2'000'000);
  CHECK(requests[1].priority == 2);
  CHECK(requests[2].body == "\x92\x01\x02\x81\xa1k\x05");
  CHECK(requests[2].priority == 0);
}

TEST_CASE("attachments go and come") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    std::string ext{'\x81'};
    proto::append_str(ext, "attachments");
    proto::append_uint(ext, request.attachments.size());
    self.reply(request, "\x01", Status::ok, ext, request.attachments);
  });
  Client client{broker.endpoint()};
  const std::string large(1 << 20, 'x');
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  const auto result =
      client.try_call<int>("a.b", attachment(large), attachment(std::string("moved")), 5,
                           attachment(std::vector<std::uint8_t>(bytes)), attachment(std::span(bytes)));
  REQUIRE(result.ok());
  REQUIRE(result.attachments().size() == 4);
  CHECK(result.attachments()[0].bytes() == large);
  CHECK(result.attachments()[1].bytes() == "moved");
  CHECK(result.attachments()[2].size() == 3);
  CHECK(result.attachments()[3].span()[2] == std::byte{3});
}

TEST_CASE("an error names the outcome, the method and the endpoint, and carries the details") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    proto::ErrorValue error;
    error.message = "no such city";
    error.where = "worker";
    error.type = "ValueError";
    error.traceback = "Traceback...";
    error.retry_after_us = 1500;
    error.signal = 9;
    error.pid = 77;
    error.exit_code = 3;
    error.stderr_lines = "last words";
    self.fail(request, request.method == "a.app" ? Status::app_error : Status::worker_lost, error);
  });
  Client client{broker.endpoint()};
  const auto error = error_of([&] { client.call<int>("a.app"); });
  CHECK(error.code() == Status::app_error);
  CHECK(error.what() == "app_error: no such city (a.app at " + broker.endpoint() + ")");
  CHECK(error.message() == "no such city");
  CHECK(error.where() == "worker");
  CHECK(error.details().type == "ValueError");
  CHECK(error.details().traceback == "Traceback...");
  CHECK(error.details().retry_after == 1500us);
  CHECK(error.details().signal == 9);
  CHECK(error.details().pid == 77);
  CHECK(error.details().exit_code == 3);
  CHECK(error.details().stderr_lines == "last words");
  CHECK_FALSE(error.retryable());
  CHECK_FALSE(error_of([&] { client.call<int>("a.lost"); }).retryable());
  CHECK(error_of([&] { client.call<int>("a.lost", idempotent); }).retryable());
}

TEST_CASE("an error without a readable map still ends the call with its status") {
  FakeBroker broker(
      [](FakeBroker& self, const FakeRequest& request) { self.reply(request, "\x80", Status::no_service); });
  Client client{broker.endpoint()};
  CHECK(client.try_call<int>("a.b").status() == Status::no_service);
}

TEST_CASE("try_call gives failures as values") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    proto::ErrorValue error;
    error.message = "full";
    self.fail(request, Status::overloaded, error);
  });
  Client client{broker.endpoint()};
  const auto result = client.try_call<int>("a.b");
  CHECK_FALSE(result.ok());
  CHECK(result.status() == Status::overloaded);
  CHECK(result.error().retryable());
  CHECK(result.value_or(7) == 7);
  CHECK_THROWS_AS(result.value(), Error);
}

TEST_CASE("a result that does not fit is bad_request and names both types") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  auto error = error_of([&] { client.call<std::vector<std::string>>("segment.cut", "text"); });
  CHECK(error.code() == Status::bad_request);
  CHECK(error.where() == "client");
  CHECK(error.message() == "the result is a str, which does not fit std::vector<std::string>");
  error = error_of([&] { client.call<std::map<std::string, int>>("a.b", std::vector<int>{1, 2}); });
  CHECK(error.message() == "the result is an array of 2, which does not fit std::map<std::string, int>");
  error = error_of([&] { client.call<std::uint8_t>("a.b", 256); });
  CHECK(error.message() == "the result is an int, which does not fit unsigned char");
  error = error_of([&] { client.call("a.b", 1).as<std::string>(); });
  CHECK(error.code() == Status::bad_request);
}

TEST_CASE("metadata says how long the call was queued and ran, who ran it, and at which attempt") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    std::string ext{'\x82'};
    proto::append_str(ext, "queued_us");
    proto::append_uint(ext, 250);
    proto::append_str(ext, "worker");
    proto::append_str(ext, "w-1");
    self.reply(request, "\x01", Status::ok, request.flags & proto::kMetadata ? ext : "\xc0", {}, 1234);
  });
  Client client{broker.endpoint()};
  const auto with = client.try_call<int>("a.b", metadata).metadata();
  CHECK(with.queued == 250us);
  CHECK(with.running == 1234us);
  CHECK(with.worker == "w-1");
  CHECK(with.attempt == 1);
  const auto without = client.try_call<int>("a.b").metadata();
  CHECK_FALSE(without.queued);
  CHECK(without.running == 1234us);
}

TEST_CASE("a future gives the result once, and can be asked without waiting") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  auto future = client.async_call<int>("a.b", 5, timeout(10s));
  CHECK(future.wait_for(10s));
  CHECK(future.ready());
  CHECK(future.get() == 5);
  CHECK_FALSE(future.valid());
  CHECK_THROWS_AS(future.get(), std::logic_error);
  CHECK_THROWS_AS(Future<int>().ready(), std::logic_error);
  auto failing = client.async_call<std::string>("a.b", 5);
  CHECK(failing.result().status() == Status::bad_request);
}

TEST_CASE("wait_for gives up without touching the call") {
  FakeBroker broker(client::hold);
  Client client{broker.endpoint()};
  auto future = client.async_call<int>("a.b", 5, timeout(10s));
  CHECK_FALSE(future.wait_for(1ms));
  REQUIRE(broker.wait_for_requests(1));
  CHECK_FALSE(future.wait_for(0ms));
  broker.run([&](FakeBroker& self) { self.reply(self.requests().at(0), "\x05"); });
  CHECK(future.get() == 5);
}

TEST_CASE("a future that is cancelled ends at once, and the broker hears of it") {
  FakeBroker broker(client::hold);
  Client client{broker.endpoint()};
  auto future = client.async_call<int>("a.b", timeout(60s));
  REQUIRE(broker.wait_for_requests(1));
  future.cancel();
  CHECK(future.result().status() == Status::cancelled);
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("callbacks get results and errors, in the order of the replies") {
  FakeBroker broker(echo);
  std::vector<int> got;
  std::promise<void> done;
  std::promise<Status> failed;
  std::promise<Status> refused;
  Client client{broker.endpoint()};
  for (int i = 0; i < 100; ++i) {
    client.async_call("a.b", i, [&](Result<int> r) {
      got.push_back(r.value());
      if (got.size() == 100) done.set_value();
    });
  }
  REQUIRE(done.get_future().wait_for(20s) == std::future_status::ready);
  for (int i = 0; i < 100; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);

  client.async_call<std::string>("a.b", 1, [&](auto r) { failed.set_value(r.status()); });
  CHECK(failed.get_future().get() == Status::bad_request);
  client.async_call("no-method", [&](const Result<void>& r) { refused.set_value(r.status()); });
  CHECK(refused.get_future().get() == Status::bad_request);
}

TEST_CASE("arguments that would spoil their bundle are refused before they are sent") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  const std::string deep = std::string(70, '\x91') + "\x01";
  CHECK(client.try_call("a.b", packed(deep)).status() == Status::bad_request);
  CHECK(client.try_call("a.b", packed("\x92\x01")).status() == Status::bad_request);
  CHECK(client.try_call("a.b", packed("\x01")).status() == Status::bad_request);
  CHECK(client.try_call("a.b", packed("\x90", "\x01")).status() == Status::bad_request);
  CHECK(broker.requests().empty());
}

TEST_CASE("what exceeds the broker's max_body ends as too_large") {
  FakeBroker broker(echo);
  broker.run([](FakeBroker& self) { self.hello.max_body = 10'000; });
  Client client{broker.endpoint()};
  CHECK(client.try_call("a.b", std::string(10'000, 'x')).status() == Status::too_large);
  CHECK(client.try_call("a.b", attachment(std::string(10'000, 'x'))).status() == Status::too_large);
  CHECK(client.try_call("a.b", std::string(9'000, 'x')).ok());
}

TEST_CASE("large bodies pass in both directions") {
  FakeBroker broker(echo);
  Client client{broker.endpoint()};
  const std::string large(8 << 20, 'x');
  CHECK(client.call<std::string>("a.b", large) == large);
}

TEST_CASE("an endpoint that is none is refused with a sentence") {
  for (const char* endpoint : {"", "nonsense", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999999",
                               "http://x:1", "inproc://x"}) {
    CHECK_THROWS_AS(Client(endpoint), std::invalid_argument);
  }
  CHECK_THROWS_AS(Client("ipc:///" + std::string(200, 'x')), std::invalid_argument);
}
