// Streams of the client against a fake broker: read as a range, item by item, and by callbacks.
#include <chrono>
#include <future>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include <samovar/client.hpp>

#include "tests/client/fake_broker.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace std::chrono_literals;
using client::FakeBroker;
using client::FakeRequest;
using client::hold;

namespace {

std::string number(std::uint64_t value) {
  std::string out;
  proto::append_uint(out, value);
  return out;
}

std::vector<std::string> numbers(std::uint64_t from, std::uint64_t to) {
  std::vector<std::string> all;
  for (; from < to; ++from) all.push_back(number(from));
  return all;
}

std::vector<int> count_to(int end) {
  std::vector<int> all(static_cast<std::size_t>(end));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Sends 0, 1, 2... as far as the reader lets it, and ends after `total`.
class Counter {
 public:
  explicit Counter(std::uint64_t total, std::uint64_t window = 16) : total_(total), window_(window) {}

  void begin(FakeBroker& broker, const FakeRequest& request) {
    request_ = request;
    broker.on_window = [this](FakeBroker& self, std::uint64_t id, std::uint64_t items) {
      CHECK(id == request_.id);
      CHECK(items > window_);
      window_ = items;
      go_on(self);
    };
    go_on(broker);
  }
  std::uint64_t sent() const { return sent_; }

 private:
  void go_on(FakeBroker& broker) {
    const auto to = std::min(total_, window_);
    if (to > sent_) broker.items(request_, sent_, numbers(sent_, to));
    sent_ = to;
    if (sent_ == total_) broker.end(request_);
  }

  const std::uint64_t total_;
  std::uint64_t window_;
  std::atomic<std::uint64_t> sent_ = 0;
  FakeRequest request_;
};

// Sends these and leaves the stream open.
FakeBroker::Handler begins_with(std::vector<std::string> values) {
  return [values](FakeBroker& broker, const FakeRequest& request) { broker.items(request, 0, values); };
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

proto::ErrorValue because(std::string message) {
  proto::ErrorValue error;
  error.message = std::move(message);
  return error;
}

}  // namespace

static_assert(std::ranges::input_range<Stream<std::string>>);
static_assert(std::ranges::viewable_range<Stream<std::string>>);
static_assert(std::input_iterator<Stream<std::unique_ptr<int>>::Iterator>);
static_assert(std::sentinel_for<std::default_sentinel_t, Stream<int>::Iterator>);

TEST_CASE("a stream is a range for the standard's views and algorithms") {
  Counter counter(1'000);
  FakeBroker broker([&](FakeBroker& self, const FakeRequest& request) { counter.begin(self, request); });
  Client client{broker.endpoint()};
  const auto odd = [](int item) { return item % 2 == 1; };
  const auto square = [](int item) { return item * item; };
  std::vector<int> seen;
  for (const int item : client.stream<int>("a.count") | std::views::filter(odd) |
                            std::views::transform(square) | std::views::take(4)) {
    seen.push_back(item);
  }
  CHECK(seen == std::vector<int>{1, 9, 25, 49});
  CHECK(broker.wait_for_cancels(1));  // take() left the rest: the stream died with its view
}

TEST_CASE("an algorithm reads a stream to its end") {
  Counter counter(100);
  FakeBroker broker([&](FakeBroker& self, const FakeRequest& request) { counter.begin(self, request); });
  Client client{broker.endpoint()};
  std::vector<int> seen;
  std::ranges::copy(client.stream<int>("a.count"), std::back_inserter(seen));
  CHECK(seen == count_to(100));
}

TEST_CASE("a stream is a range of its items, in order") {
  Counter counter(1000);
  FakeBroker broker([&](FakeBroker& self, const FakeRequest& request) { counter.begin(self, request); });
  Client client{broker.endpoint()};
  std::vector<int> got;
  for (const int& item : client.stream<int>("a.b", 1)) got.push_back(item);
  CHECK(got == count_to(1000));
  CHECK((broker.requests().at(0).flags & proto::kStream) != 0);
}

TEST_CASE("a stream may be empty") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) { self.end(request); });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b");
  CHECK(stream.begin() == stream.end());
  CHECK_FALSE(stream.next());
  CHECK_FALSE(stream.next());
}

TEST_CASE("items are of any type") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.items(request, 0, {"\xa1x", std::string("\xc0", 1), "\x07"});
    self.end(request);
  });
  Client client{broker.endpoint()};
  std::vector<std::string> got;
  for (const Value& item : client.stream("a.b")) got.push_back(item.to_json());
  CHECK(got == std::vector<std::string>{"\"x\"", "null", "7"});
}

TEST_CASE("the window is what was asked for, and grows only as items are taken") {
  Counter counter(100, 4);
  FakeBroker broker([&](FakeBroker& self, const FakeRequest& request) { counter.begin(self, request); });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b", window(4));
  CHECK(stream.next() == 0);
  broker.run([](FakeBroker&) {});
  CHECK(counter.sent() == 4);  // a slow reader: nothing piles up
  CHECK(broker.windows().empty());
  CHECK(stream.next() == 1);
  CHECK(broker.wait_for_window(6));
  for (int i = 2; i < 100; ++i) CHECK(stream.next() == i);
  CHECK_FALSE(stream.next());
  for (const auto& request : broker.requests()) CHECK(request.ext.find("window") != std::string::npos);
}

TEST_CASE("an error in mid-stream comes after the items") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.items(request, 0, numbers(0, 3));
    self.fail(request, Status::app_error, because("no more"));
  });
  Client client{broker.endpoint()};
  std::vector<int> got;
  const auto error = error_of([&] {
    for (const int item : client.stream<int>("a.b")) got.push_back(item);
  });
  CHECK(error.code() == Status::app_error);
  CHECK(error.message() == "no more");
  CHECK(error.details().method == "a.b");
  CHECK(got == count_to(3));
}

TEST_CASE("a reader that stops cancels the stream") {
  FakeBroker broker(begins_with(numbers(0, 16)));
  Client client{broker.endpoint()};
  for (const int item : client.stream<int>("a.b")) {
    if (item == 3) break;
  }
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("a stream that is cancelled gives what has come, and then cancelled") {
  FakeBroker broker(begins_with(numbers(0, 2)));
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b");
  CHECK(stream.next() == 0);
  stream.cancel();
  CHECK(broker.wait_for_cancels(1));
  CHECK(stream.next() == 1);
  CHECK(error_of([&] { stream.next(); }).code() == Status::cancelled);
  CHECK(error_of([&] { stream.next(); }).code() == Status::cancelled);
}

TEST_CASE("a reader that waits is released by a cancel from another thread") {
  FakeBroker broker(hold);
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b");
  std::thread canceller([&] {
    CHECK(broker.wait_for_requests(1));
    stream.cancel();
  });
  CHECK(error_of([&] { stream.next(); }).code() == Status::cancelled);
  canceller.join();
}

TEST_CASE("the timeout holds for the whole stream") {
  FakeBroker broker(begins_with(numbers(0, 1)));
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b", timeout(100ms));
  CHECK(stream.next() == 0);
  CHECK(error_of([&] { stream.next(); }).code() == Status::deadline_exceeded);
}

TEST_CASE("a stream ends with its broker") {
  auto broker = std::make_unique<FakeBroker>(begins_with(numbers(0, 1)));
  Client client{broker->endpoint()};
  auto stream = client.stream<int>("a.b", idempotent);
  CHECK(stream.next() == 0);
  broker.reset();
  const auto error = error_of([&] { stream.next(); });
  CHECK(error.code() == Status::broker_lost);
}

TEST_CASE("a stream ends with its client, and may outlive it") {
  FakeBroker broker(begins_with(numbers(0, 2)));
  auto client = std::make_unique<Client>(broker.endpoint());
  auto stream = client->stream<int>("a.b");
  CHECK(stream.next() == 0);
  client.reset();
  CHECK(error_of([&] {
          while (stream.next()) {
          }
        }).code() == Status::cancelled);
}

TEST_CASE("a gap in a stream ends it as protocol_error") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.items(request, 0, numbers(0, 1));
    self.items(request, 2, numbers(2, 3));
    self.end(request);
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b");
  CHECK(stream.next() == 0);
  CHECK(error_of([&] { stream.next(); }).code() == Status::protocol_error);
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("items have attachments") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.items(request, 0, numbers(0, 2), {std::string(100'000, 'x'), ""});
    self.end(request);
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b");
  CHECK(stream.next() == 0);
  REQUIRE(stream.attachments().size() == 2);
  CHECK(stream.attachments()[0].bytes() == std::string(100'000, 'x'));
  CHECK(stream.next() == 1);
  CHECK(stream.attachments().empty());
}

TEST_CASE("an item that does not fit is an error, and the stream can be read on") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    self.items(request, 0, {"\xa1x", "\x07"});
    self.end(request);
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b");
  CHECK(error_of([&] { stream.next(); }).code() == Status::bad_request);
  CHECK(stream.next() == 7);
}

TEST_CASE("calls and streams share a client, from many threads") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    if ((request.flags & proto::kStream) == 0) return client::echo(self, request);
    self.items(request, 0, numbers(0, 10));
    self.end(request);
  });
  Client client{broker.endpoint()};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        int sum = 0;
        for (const int item : client.stream<int>("a.b")) sum += item;
        CHECK(sum == 45);
        CHECK(client.call<int>("a.c", i) == i);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_CASE("callbacks get the items and then the end, on the client's own thread") {
  Counter counter(1000);
  FakeBroker broker([&](FakeBroker& self, const FakeRequest& request) { counter.begin(self, request); });
  Client client{broker.endpoint()};
  std::vector<int> got;
  std::promise<Result<void>> end;
  client.async_stream<int>(
      "a.b", 5, [&](int item) { got.push_back(item); },
      [&](Result<void> result) { end.set_value(std::move(result)); });
  CHECK(end.get_future().get().ok());
  CHECK(got == count_to(1000));
}

TEST_CASE("a callback that cancels gets no further item, and one end") {
  FakeBroker broker(begins_with(numbers(0, 16)));
  Client client{broker.endpoint()};
  std::promise<StreamHandle> handle;
  auto known = handle.get_future().share();
  std::vector<int> got;
  std::promise<Status> end;
  handle.set_value(client.async_stream<int>(
      "a.b",
      [&](int item) {
        got.push_back(item);
        if (item == 2) StreamHandle(known.get()).cancel();
      },
      [&](Result<void> result) { end.set_value(result.status()); }));
  CHECK(end.get_future().get() == Status::cancelled);
  CHECK(got == count_to(3));
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("an item that does not fit ends a stream of callbacks") {
  FakeBroker broker(begins_with({"\x01", "\xa1x", "\x02"}));
  Client client{broker.endpoint()};
  std::vector<int> got;
  std::promise<Status> end;
  client.async_stream<int>(
      "a.b", [&](int item, std::vector<Buffer>) { got.push_back(item); },
      [&](Result<void> result) { end.set_value(result.status()); });
  CHECK(end.get_future().get() == Status::bad_request);
  CHECK(got == std::vector<int>{1});
  CHECK(broker.wait_for_cancels(1));
}

TEST_CASE("a stream of callbacks that cannot be sent has its end") {
  FakeBroker broker(hold);
  Client client{broker.endpoint()};
  std::promise<Status> end;
  client.async_stream<int>(
      "no method", [](int) {}, [&](Result<void> result) { end.set_value(result.status()); });
  CHECK(end.get_future().get() == Status::bad_request);
}

TEST_CASE("a stream of callbacks ends with its client") {
  FakeBroker broker(begins_with(numbers(0, 1)));
  std::promise<Status> end;
  std::promise<void> begun;
  {
    Client client{broker.endpoint()};
    client.async_stream<int>(
        "a.b", [&](int) { begun.set_value(); }, [&](Result<void> result) { end.set_value(result.status()); });
    begun.get_future().wait();
  }
  CHECK(end.get_future().get() == Status::cancelled);
}

TEST_CASE("a callback must not wait for a stream of its own client") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    if ((request.flags & proto::kStream) == 0) client::echo(self, request);
  });
  Client client{broker.endpoint()};
  auto stream = client.stream<int>("a.b");
  std::promise<bool> thrown;
  client.async_call("a.c", 1, [&](Result<int>) {
    try {
      stream.next();
      thrown.set_value(false);
    } catch (const std::logic_error&) {
      thrown.set_value(true);
    }
  });
  CHECK(thrown.get_future().get());
}
