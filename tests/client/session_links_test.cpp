// A session with several brokers: who gets which call, and what becomes of calls when one of them fails.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/session.hpp"
#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "tests/support/catch.hpp"

namespace samovar::client {
namespace {

using namespace std::chrono_literals;

class Several {
 public:
  explicit Several(int count, double retry_budget = limits::kRetryBudget) : session_(config(retry_budget)) {
    for (int i = 0; i < count; ++i) brokers_.push_back({"ipc://" + std::string(1, char('a' + i))});
    for (auto& broker : brokers_) {
      broker.link = session_.add_link(broker.endpoint);
      connect(broker.link);
    }
  }

  struct Request {
    LinkId link{};
    proto::RequestItem item;
  };

  Session& session() { return session_; }
  LinkId link(std::size_t broker) const { return brokers_[broker].link; }
  TimePoint now{1'000s};

  void connect(LinkId link) {
    session_.connected(link, now);
    Message message;
    REQUIRE(session_.next_message(now, message));
    REQUIRE(message.link == link);
    proto::PeerHello said;
    REQUIRE(proto::decode(message.frame, said) == nullptr);
    proto::BrokerHello hello;
    hello.nonce = said.nonce;
    hello.max_body = 1 << 20;
    hello.max_bundle = 1024;
    hello.max_timeout_us = 86'400'000'000;
    epochs_[link] = ++serial_;
    give(link, proto::encode(serial_, hello));
    REQUIRE(session_.link(link).state == LinkState::ready);
  }

  CallPtr submit(std::uint32_t flags = 0, Duration timeout = 10s) {
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = std::string("\x90\xc0\xc0", 3);
    call->flags = flags;
    call->deadline = now + timeout;
    session_.submit(call, now);
    return call;
  }

  // All requests that are to be sent, pings included; other messages are dropped.
  std::vector<Request> requests() {
    std::vector<Request> all;
    for (Message message; session_.next_message(now, message);) {
      std::vector<proto::RequestItem> items;
      std::uint64_t sent_us = 0;
      if (proto::decode_requests(message.frame, message.attachments.size(), sent_us, items)) continue;
      for (const auto& item : items) {
        all.push_back({message.link, item});
        all.back().item.method = methods_.insert(std::string(item.method)).first->c_str();
      }
    }
    return all;
  }
  Request request() {
    const auto all = requests();
    REQUIRE(all.size() == 1);
    return all[0];
  }

  void give(LinkId link, std::string frame) { session_.message(link, Buffer(std::move(frame)), {}, now); }
  void reply(const Request& to, Status status = Status::ok) { reply(to.link, to, status); }
  void reply(LinkId link, const Request& to, Status status = Status::ok) {
    proto::BundleWriter writer(proto::Kind::reply, epochs_.at(link));
    const auto tail = status == Status::ok ? std::string("\x01\xc0") : proto::encode_error({}) + "\xc0";
    writer.add_reply(to.item.id, to.item.attempt, status, 5, tail);
    give(link, std::move(writer).finish());
  }
  void drain(LinkId link) {
    give(link, proto::encode(proto::Kind::drain, epochs_.at(link), proto::Notice{}));
  }

  Completion completion() {
    auto all = session_.take_completions();
    REQUIRE(all.size() == 1);
    return std::move(all[0]);
  }
  std::string error() {
    const auto outcome = completion().outcome;
    proto::ErrorValue value;
    REQUIRE(proto::decode_error(outcome.value.bytes(), value) == nullptr);
    return std::string(to_word(outcome.status)) + ": " + value.message;
  }

  void wait(Duration time) {
    now += time;
    session_.tick(now);
  }

 private:
  static SessionConfig config(double retry_budget) {
    SessionConfig config;
    config.nonce_seed = 100;
    config.id_seed = 7;
    config.retry_budget = retry_budget;
    return config;
  }

  struct Broker {
    std::string endpoint;
    LinkId link{};
  };
  std::vector<Broker> brokers_;
  Session session_;
  std::map<LinkId, std::uint64_t> epochs_;
  std::uint64_t serial_ = 0;
  std::set<std::string> methods_;
};

TEST_CASE("calls one after the other go to all brokers alike") {
  Several s(3);
  std::map<LinkId, int> count;
  for (int i = 0; i < 600; ++i) {
    s.submit();
    const auto request = s.request();
    ++count[request.link];
    s.reply(request);
    CHECK(s.completion().outcome.status == Status::ok);
  }
  for (int i = 0; i < 3; ++i) CHECK(count[s.link(i)] > 160);
}

TEST_CASE("many calls at once are shared out, and a broker that holds more gets less") {
  Several s(3);
  for (int i = 0; i < 300; ++i) s.submit();
  std::map<LinkId, int> count;
  for (const auto& request : s.requests()) ++count[request.link];
  for (int i = 0; i < 3; ++i) CHECK(count[s.link(i)] > 50);

  Several unequal(2);
  for (int i = 0; i < 40; ++i) unequal.submit();
  const auto held = unequal.requests();
  const auto idle = unequal.link(0);
  for (const auto& request : held)
    if (request.link == idle) unequal.reply(request);
  for (int i = 0; i < 10; ++i) {
    unequal.submit();
    CHECK(unequal.request().link == idle);
  }
}

TEST_CASE("a broker whose replies take twice as long counts so many times more") {
  CHECK(better(0, 100, 1, 100));
  CHECK_FALSE(better(1, 100, 1, 100));
  CHECK_FALSE(better(1, 60, 1, 100));  // chance
  CHECK(better(1, 40, 1, 100));
  CHECK(better(3, 100, 1, 1000));
  CHECK_FALSE(better(30, 100, 1, 1000));
  CHECK(better(0, 100, 1, 0));  // unknown
}

TEST_CASE("an old latency counts less and less") {
  Health health;
  const TimePoint now{1'000s};
  CHECK(health.latency_us(now) == 0);
  health.took(1ms, now);
  CHECK(health.latency_us(now) == 1000);
  CHECK(health.latency_us(now + 2s) == 250);
}

TEST_CASE("when a broker is lost, what may run twice goes to another one, and the rest ends and names it") {
  Several s(2);
  s.submit();
  const auto once = s.request();
  std::vector<Several::Request> twice;
  // As many as it takes for the same broker to hold one that may run twice.
  do {
    s.submit(proto::kIdempotent);
    twice.push_back(s.request());
  } while (twice.back().link != once.link);
  s.session().disconnected(once.link, s.now);

  const auto lost = s.completion();
  CHECK(static_cast<std::uint64_t>(lost.call->id) == once.item.id);
  CHECK(lost.outcome.status == Status::broker_lost);
  REQUIRE(lost.outcome.endpoint);
  CHECK(*lost.outcome.endpoint == s.session().link(once.link).endpoint);

  const auto again = s.request();
  CHECK(again.link != once.link);
  CHECK(again.item.id == twice.back().item.id);
  CHECK(again.item.attempt == 2);
  s.reply(again);
  CHECK(s.completion().outcome.status == Status::ok);
  CHECK(s.session().counters().calls_sent_again == 1);
}

TEST_CASE("a reply counts only from the broker that has the call") {
  Several s(2);
  s.submit();
  const auto request = s.request();
  const auto other = request.link == s.link(0) ? s.link(1) : s.link(0);
  s.reply(other, request);
  CHECK(s.session().take_completions().empty());
  CHECK(s.session().counters().late_replies == 1);
  s.reply(request);
  CHECK(s.completion().outcome.status == Status::ok);
}

TEST_CASE("what a broker refuses without having run it goes on to each of the others once") {
  const auto status = GENERATE(Status::unavailable, Status::overloaded);
  Several s(3);
  s.submit();
  std::set<LinkId> asked;
  for (int i = 0; i < 3; ++i) {
    CHECK(s.session().take_completions().empty());
    const auto request = s.request();
    CHECK(request.item.attempt == i + 1);
    asked.insert(request.link);
    s.reply(request, status);
  }
  CHECK(asked.size() == 3);
  CHECK(s.completion().outcome.status == status);
  CHECK(s.session().counters().calls_moved == 2);
}

TEST_CASE("what is overloaded goes on within the budget only") {
  Several s(2, 0);
  for (int i = 0; i < 10; ++i) {  // what a client has at its start
    s.submit();
    s.reply(s.request(), Status::overloaded);
    s.reply(s.request(), Status::ok);
    CHECK(s.completion().outcome.status == Status::ok);
  }
  s.submit();
  s.reply(s.request(), Status::overloaded);
  CHECK(s.completion().outcome.status == Status::overloaded);
  CHECK(s.session().counters().over_budget == 1);
}

TEST_CASE("a broker that drains gets nothing more, and what it refuses goes on") {
  Several s(2);
  s.submit();
  const auto crossed = s.request();
  s.drain(crossed.link);
  s.reply(crossed, Status::unavailable);
  const auto moved = s.request();
  CHECK(moved.link != crossed.link);
  for (int i = 0; i < 20; ++i) {
    s.submit();
    CHECK(s.request().link == moved.link);
  }
  s.drain(moved.link);
  s.submit();
  CHECK(s.error() == "unavailable: the broker at ipc://a is going away");
}

TEST_CASE("with one broker gone and the other draining, calls wait for the one") {
  Several s(2);
  s.session().disconnected(s.link(0), s.now);
  s.drain(s.link(1));
  s.submit();
  CHECK(s.requests().empty());
  CHECK(s.session().take_completions().empty());
  s.connect(s.link(0));
  CHECK(s.request().link == s.link(0));
}

TEST_CASE("a broker that says nothing is left alone until it answers a ping") {
  Several s(2);
  Several::Request silent;
  do {
    s.submit(0, 1s);
    silent = s.request();
    if (silent.link != s.link(0)) s.reply(silent), s.completion();
  } while (silent.link != s.link(0));
  s.wait(1s);
  s.wait(limits::kDeadlineGrace);
  CHECK(s.completion().outcome.status == Status::deadline_exceeded);
  const auto all_go_to_the_other = [&] {
    for (int i = 0; i < 20; ++i) {
      s.submit();
      const auto request = s.request();
      CHECK(request.link == s.link(1));
      s.reply(request);
      s.completion();
    }
  };
  CHECK(s.requests().empty());  // but there was CANCEL
  all_go_to_the_other();
  const auto due = s.session().next_deadline();
  REQUIRE(due);
  CHECK(*due > s.now);
  CHECK(*due <= s.now + limits::kEjected);
  s.wait(*due - s.now);
  const auto ping = s.request();
  CHECK(ping.link == s.link(0));
  CHECK(ping.item.method == "samovar.ping");
  all_go_to_the_other();

  SECTION("which it does") {
    s.reply(ping);
    std::set<LinkId> used;
    for (int i = 0; i < 20; ++i) {
      s.submit();
      used.insert(s.request().link);
    }
    CHECK(used.size() == 2);
  }
  SECTION("and if not, for twice as long") {
    s.wait(limits::kPing);
    const auto next = s.session().next_deadline();
    REQUIRE(next);
    CHECK(*next >= s.now + limits::kEjected);
    CHECK(*next < s.now + 2 * limits::kEjected);
    all_go_to_the_other();
  }
  SECTION("but gets calls if it is the only one left") {
    s.session().disconnected(s.link(1), s.now);
    s.submit();
    CHECK(s.request().link == s.link(0));
  }
}

TEST_CASE("many calls that a broker lets down together count as one failure") {
  Several s(2);
  s.session().set_busy(s.link(1), true);
  for (int i = 0; i < 10; ++i) s.submit(0, 1s);
  CHECK(s.requests().size() == 10);
  s.session().set_busy(s.link(1), false);
  s.wait(1s);
  s.wait(limits::kDeadlineGrace);
  CHECK(s.session().take_completions().size() == 10);
  const auto due = s.session().next_deadline();
  REQUIRE(due);
  CHECK(*due <= s.now + limits::kEjected);
}

TEST_CASE("a second attempt beside the first goes to another broker, and outlives the first one's") {
  Several s(2);
  auto call = std::make_shared<Call>();
  call->method = "echo.say";
  call->tail = std::string("\x90\xc0\xc0", 3);
  call->flags = proto::kIdempotent;
  call->hedge_after = 50ms;
  call->deadline = s.now + 10s;
  s.session().submit(call, s.now);
  const auto first = s.request();
  s.wait(50ms);
  const auto second = s.request();
  CHECK(second.link != first.link);

  SECTION("which is lost") {
    s.session().disconnected(first.link, s.now);
    CHECK(s.session().take_completions().empty());
    CHECK(s.requests().empty());
    s.reply(second);
    CHECK(s.completion().outcome.status == Status::ok);
  }
  SECTION("and is lost first") {
    s.session().disconnected(second.link, s.now);
    CHECK(s.requests().empty());
    s.reply(first);
    CHECK(s.completion().outcome.status == Status::ok);
  }
  SECTION("and both are lost") {
    s.session().disconnected(first.link, s.now);
    s.session().disconnected(second.link, s.now);
    CHECK(s.session().take_completions().empty());
    s.connect(first.link);
    s.reply(s.request());
    CHECK(s.completion().outcome.status == Status::ok);
  }
  CHECK(s.session().outstanding() == 0);
}

TEST_CASE("a link that is retired ends what it has, takes nothing more, and makes room") {
  Several s(2);
  Several::Request held;
  do {
    s.submit();
    held = s.request();
    if (held.link != s.link(0)) s.reply(held), s.completion();
  } while (held.link != s.link(0));
  s.session().retire(s.link(0));
  CHECK_FALSE(s.session().is_over(s.link(0)));
  for (int i = 0; i < 10; ++i) {
    s.submit();
    CHECK(s.request().link == s.link(1));
  }
  s.reply(held);
  CHECK(s.completion().outcome.status == Status::ok);
  REQUIRE(s.session().is_over(s.link(0)));
  s.session().remove_link(s.link(0));
  const std::string endpoint = "ipc://c";
  CHECK(s.session().add_link(endpoint) == s.link(0));
}

TEST_CASE("a link that takes no messages now is passed over") {
  Several s(2);
  s.session().set_busy(s.link(0), true);
  for (int i = 0; i < 10; ++i) {
    s.submit();
    CHECK(s.request().link == s.link(1));
  }
  s.session().set_busy(s.link(1), true);
  s.submit();
  CHECK(s.requests().empty());
  s.session().set_busy(s.link(0), false);
  CHECK(s.request().link == s.link(0));
}

TEST_CASE("without any broker a call's error names them all") {
  Several s(2);
  s.session().disconnected(s.link(0), s.now);
  s.session().disconnected(s.link(1), s.now);
  s.submit(0, 1s);
  s.wait(1s);
  CHECK(s.error() == "unavailable: no broker answers at ipc://a or ipc://b: is samovard running there?");

  Session none(SessionConfig{});
  none.explain_no_links("'brokers.test' has no address");
  auto call = std::make_shared<Call>();
  call->method = "a.b";
  call->deadline = s.now + 1s;
  none.submit(call, s.now);
  none.tick(s.now + 1s);
  const auto all = none.take_completions();
  REQUIRE(all.size() == 1);
  proto::ErrorValue value;
  REQUIRE(proto::decode_error(all[0].outcome.value.bytes(), value) == nullptr);
  CHECK(value.message == "no broker is known: 'brokers.test' has no address");
}

TEST_CASE("each broker is told a schema before the first call that was built against it") {
  static constexpr Schema kSchema{77, std::string_view("\x81\xa1m\xc0", 4)};
  Several s(2);
  std::map<LinkId, std::vector<std::string>> said;
  for (int i = 0; i < 40; ++i) {
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = std::string("\x90\xc0\xc0", 3);
    call->schema = &kSchema;
    call->deadline = s.now + 10s;
    s.session().submit(call, s.now);
    for (const auto& request : s.requests()) said[request.link].emplace_back(request.item.method);
  }
  REQUIRE(said.size() == 2);
  for (const auto& [link, methods] : said) {
    CHECK(methods[0] == "samovar.declare");
    CHECK(std::count(methods.begin(), methods.end(), "samovar.declare") == 1);
  }
}

}  // namespace
}  // namespace samovar::client
