// The client's session: calls whose deadline the broker sets.
#include "tests/client/session_harness.hpp"

namespace samovar::client {

TEST_CASE("a call without a timeout is sent without one, and ends when the broker says so") {
  Harness h;
  h.make_ready();
  const auto call = h.submit_open();
  const auto items = h.requests();
  REQUIRE(items.size() == 1);
  CHECK(items[0].timeout_us == 0);

  h.session.tick(h.now += 1h);  // the method may have such a timeout
  CHECK(h.none_completed());
  h.give(h.reply(call->id));
  CHECK(h.outcome_of(call).status == Status::ok);
  CHECK(h.session.outstanding() == 0);
  CHECK_FALSE(h.session.next_deadline());
}

TEST_CASE("a call without a timeout waits 30 s for a broker, and ends as unavailable") {
  Harness h;
  const auto call = h.submit_open();
  h.session.tick(h.now + 30s - 1us);
  CHECK(h.none_completed());
  h.session.tick(h.now + 30s);
  CHECK(h.outcome_of(call).status == Status::unavailable);
}

TEST_CASE("a call without a timeout does not outlive the broker's longest one") {
  Harness h;
  h.broker.max_timeout_us = 60'000'000;
  h.make_ready();
  const auto other = h.submit(40s);
  const auto call = h.submit_open();
  h.requests();
  h.session.tick(h.now + 40s);
  h.session.tick(h.now + 40s + 100ms);  // only now it is the oldest
  CHECK(h.outcome_of(other).status == Status::deadline_exceeded);
  const auto longest = 30s + 60s + 100ms;  // waiting for a broker included
  CHECK(h.session.next_deadline() == h.now + longest);
  h.session.tick(h.now + longest - 1us);
  CHECK(h.none_completed());
  h.session.tick(h.now + longest);
  CHECK(h.outcome_of(call).status == Status::deadline_exceeded);
  CHECK(h.messages().size() == 1);  // CANCEL
}

TEST_CASE("a call without a timeout that may run twice waits 30 s for the next broker") {
  Harness h;
  h.make_ready();
  const auto call = h.submit_open(proto::kIdempotent);
  h.requests();
  h.now += 1h;
  h.session.disconnected(h.now);
  CHECK(h.none_completed());
  CHECK(h.session.next_deadline() == h.now + 30s);

  SECTION("and is sent to it without a timeout") {
    h.session.connected(h.now += 29s);
    h.welcome(2);
    const auto items = h.requests();
    REQUIRE(items.size() == 1);
    CHECK(items[0].timeout_us == 0);
    CHECK(items[0].attempt == 2);
  }
  SECTION("and ends as broker_lost when none comes") {
    h.session.tick(h.now + 30s);
    CHECK(h.outcome_of(call).status == Status::broker_lost);
  }
}

TEST_CASE("a message that the transport did not take costs a call without a timeout nothing") {
  Harness h;
  h.make_ready();
  const auto call = h.submit_open();
  Message message;
  REQUIRE(h.session.next_message(h.now, message));
  h.session.not_sent();
  CHECK(h.session.next_deadline() == h.now + 30s);
  const auto items = h.requests();
  REQUIRE(items.size() == 1);
  CHECK(items[0].id == static_cast<std::uint64_t>(call->id));
}

}  // namespace samovar::client
