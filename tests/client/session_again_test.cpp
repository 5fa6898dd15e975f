// The client's session: calls that are made again after a failure, and second ones beside the first.
#include <set>

#include "tests/client/session_harness.hpp"

using namespace samovar;
using namespace samovar::client;

namespace {

constexpr Tries kThree{.max_attempts = 3, .backoff = 10ms, .max_backoff = 1s};

struct Again : Harness {
  explicit Again(double budget = 0.1) {
    config.retry_budget = budget;
    session = OneLink(config);
    make_ready();
  }

  CallPtr submit_tries(std::uint32_t flags = 0, Tries tries = kThree, Duration timeout = 10s) {
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = kEmptyTail;
    call->flags = flags;
    call->deadline = now + timeout;
    call->retry = tries;
    session.submit(call, now);
    return call;
  }
  CallPtr submit_hedged(Duration after = 20ms, Duration timeout = 10s, Tries tries = {}) {
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = kEmptyTail;
    call->flags = proto::kIdempotent;
    call->deadline = now + timeout;
    call->hedge_after = after;
    call->retry = tries;
    session.submit(call, now);
    return call;
  }

  void fails(std::uint64_t id, std::uint8_t attempt, Status status,
             std::optional<std::uint64_t> retry_after = {}) {
    proto::ErrorValue error;
    error.message = "no";
    error.retry_after_us = retry_after;
    give(reply(CallId{id}, attempt, status, proto::encode_error(error) + "\xc0"));
  }
  void answers(std::uint64_t id, std::uint8_t attempt = 1) { give(reply(CallId{id}, attempt)); }

  void pass(Duration time) {
    now += time;
    session.tick(now);
  }
  // Until the next thing is due.
  Duration pass_to_next() {
    REQUIRE(session.next_deadline());
    const auto before = now;
    now = *session.next_deadline();
    session.tick(now);
    return now - before;
  }
  std::vector<std::uint64_t> cancelled() {
    std::vector<std::uint64_t> ids;
    for (const auto& message : messages()) REQUIRE(proto::decode_ids(message.frame, ids) == nullptr);
    return ids;
  }
};

std::uint64_t id_of(const CallPtr& call) {
  return static_cast<std::uint64_t>(call->id);
}

}  // namespace

TEST_CASE("a call is made once where nobody asks for more") {
  Again h;
  const auto call = h.submit();
  h.requests();
  h.fails(id_of(call), 1, Status::unavailable);
  CHECK(h.outcome_of(call).status == Status::unavailable);
  CHECK(h.session.counters().retries == 0);
}

TEST_CASE("a call that found no worker is made again, after a while, as the next attempt") {
  Again h;
  const auto call = h.submit_tries();
  h.requests();
  h.fails(id_of(call), 1, Status::unavailable);
  CHECK(h.none_completed());
  CHECK(h.messages().empty());
  CHECK(h.session.outstanding() == 1);
  const auto wait = h.pass_to_next();
  CHECK(wait >= 5ms);
  CHECK(wait <= 10ms);
  const auto again = h.requests();
  REQUIRE(again.size() == 1);
  CHECK(again[0].id == id_of(call));
  CHECK(again[0].attempt == 2);
  h.answers(id_of(call), 2);
  CHECK(h.outcome_of(call).status == Status::ok);
}

TEST_CASE("waits grow from attempt to attempt, and the last failure is the outcome") {
  Again h;
  const auto call = h.submit_tries(0, {.max_attempts = 4, .backoff = 10ms, .max_backoff = 15ms});
  for (std::uint8_t attempt = 1; attempt <= 4; ++attempt) {
    REQUIRE(h.requests().size() == 1);
    h.fails(id_of(call), attempt, Status::unavailable);
    if (attempt == 4) break;
    const auto wait = h.pass_to_next();
    CHECK(wait >= (attempt == 1 ? 5ms : 7ms));
    CHECK(wait <= (attempt == 1 ? 10ms : 15ms));
  }
  CHECK(h.outcome_of(call).status == Status::unavailable);
  CHECK(h.session.counters().retries == 3);
  CHECK_FALSE(h.session.next_deadline());
}

TEST_CASE("an overloaded service is asked again no earlier than it says") {
  Again h;
  const auto call = h.submit_tries();
  h.requests();
  h.fails(id_of(call), 1, Status::overloaded, 500'000);
  CHECK(h.pass_to_next() >= 500ms);
  CHECK(h.requests().size() == 1);
}

TEST_CASE("no attempt begins at the deadline or later") {
  Again h;
  const auto call = h.submit_tries(0, kThree, 400ms);
  h.requests();
  h.fails(id_of(call), 1, Status::overloaded, 500'000);
  CHECK(h.outcome_of(call).status == Status::overloaded);
}

TEST_CASE("without a timeout of its own a call is made again within 30 s") {
  Again h;
  auto call = std::make_shared<Call>();
  call->method = "echo.say";
  call->tail = kEmptyTail;
  call->own_timeout = false;
  call->deadline = h.now + limits::kBrokerWait;
  call->retry = kThree;
  h.session.submit(call, h.now);
  h.requests();
  h.pass(29s);
  h.fails(id_of(call), 1, Status::unavailable);
  CHECK(h.none_completed());
  h.pass_to_next();
  CHECK(h.requests().size() == 1);
  h.pass(2s);
  h.fails(id_of(call), 2, Status::unavailable);
  CHECK(h.outcome_of(call).status == Status::unavailable);
}

TEST_CASE("a lost worker is reason enough for idempotent calls only, and nothing else is") {
  Again h;
  const auto once = h.submit_tries();
  const auto twice = h.submit_tries(proto::kIdempotent);
  h.requests();
  h.fails(id_of(once), 1, Status::worker_lost);
  CHECK(h.outcome_of(once).status == Status::worker_lost);
  h.fails(id_of(twice), 3, Status::worker_lost);  // the broker has tried as well
  CHECK(h.none_completed());
  h.pass_to_next();
  CHECK(h.requests().at(0).attempt == 4);
  for (const auto status :
       {Status::app_error, Status::bad_request, Status::no_service, Status::deadline_exceeded,
        Status::cancelled, Status::too_large, Status::unauthorized, Status::internal}) {
    const auto call = h.submit_tries(proto::kIdempotent);
    h.requests();
    h.fails(id_of(call), 1, status);
    CHECK(h.outcome_of(call).status == status);
  }
}

TEST_CASE("the reply to an attempt that has failed counts for nothing later") {
  Again h;
  const auto call = h.submit_tries();
  h.requests();
  h.fails(id_of(call), 1, Status::unavailable);
  h.answers(id_of(call), 1);  // while it waits
  CHECK(h.none_completed());
  h.pass_to_next();
  h.requests();
  h.answers(id_of(call), 1);
  CHECK(h.none_completed());
  CHECK(h.session.counters().late_replies == 2);
}

TEST_CASE("a stream that has given items is not begun again") {
  Again h;
  const auto call = h.submit_tries(proto::kIdempotent | proto::kStream);
  h.requests();
  proto::BundleWriter writer(proto::Kind::items, h.epoch);
  writer.add_item(id_of(call), 1, 0, "\x01\xc0");
  h.give(std::move(writer).finish());
  h.session.take_completions();
  h.fails(id_of(call), 1, Status::worker_lost);
  CHECK(h.outcome_of(call).status == Status::worker_lost);
}

TEST_CASE("the budget keeps retries to a share of the calls") {
  Again h(0.1);
  std::size_t failed = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto call = h.submit_tries();
    h.requests();
    h.fails(id_of(call), 1, Status::unavailable);
    if (h.none_completed()) {
      h.pass_to_next();
      h.requests();
      h.fails(id_of(call), 2, Status::unavailable);
      if (h.session.outstanding() > 0) h.session.cancel(call->id);
      h.session.take_completions();
    } else {
      ++failed;
    }
  }
  CHECK(h.session.counters().retries <= 10 + 100);
  CHECK(h.session.counters().retries >= 100);
  CHECK(h.session.counters().over_budget >= failed);
}

TEST_CASE("while a call waits for its next attempt it can be cancelled, and outlives a lost connection") {
  Again h;
  const auto first = h.submit_tries();
  const auto second = h.submit_tries();
  h.requests();
  h.fails(id_of(first), 1, Status::unavailable);
  h.fails(id_of(second), 1, Status::unavailable);
  h.session.cancel(first->id);
  CHECK(h.outcome_of(first).status == Status::cancelled);
  CHECK(h.messages().empty());  // there is nothing that the broker would have to be told
  h.session.disconnected(h.now);
  CHECK(h.none_completed());
  h.pass(20ms);
  h.session.connected(h.now);
  h.welcome(2);
  CHECK(h.requests().at(0).attempt == 2);
  h.answers(id_of(second), 2);
  CHECK(h.outcome_of(second).status == Status::ok);
}

TEST_CASE("a call that is to be made again and finds no broker in time is unavailable: nothing ran") {
  Again h;
  const auto call = h.submit_tries(0, kThree, 1s);
  h.requests();
  h.fails(id_of(call), 1, Status::unavailable);
  h.session.disconnected(h.now);
  h.pass(2s);
  h.pass(1s);
  CHECK(h.outcome_of(call).status == Status::unavailable);
}

TEST_CASE("a broker that goes away gets no further attempt") {
  Again h;
  const auto call = h.submit_tries();
  h.requests();
  h.fails(id_of(call), 1, Status::unavailable);
  h.give(notice(proto::Kind::drain, 1));
  h.pass_to_next();
  CHECK(h.messages().empty());
  CHECK(h.none_completed());
  const auto late = h.submit_tries();  // is to be refused, and tried again at the next one
  CHECK(h.none_completed());
  h.session.connected(h.now);
  h.welcome(2);
  h.pass(50ms);
  CHECK(h.requests().size() == 2);
  CHECK(late->id != CallId{});
}

TEST_CASE("a slow call is made a second time, and the first answer is the outcome") {
  for (const bool second_wins : {false, true}) {
    Again h;
    const auto call = h.submit_hedged();
    const auto first = h.requests().at(0).id;
    CHECK(first == id_of(call));
    CHECK(h.pass_to_next() == 20ms);
    const auto second = h.requests().at(0);
    CHECK(second.id != first);
    CHECK(second.attempt == 1);
    CHECK(second.timeout_us == 9'980'000);
    CHECK(h.session.outstanding() == 1);
    h.answers(second_wins ? second.id : first);
    CHECK(h.outcome_of(call).status == Status::ok);
    CHECK(h.session.outstanding() == 0);
    CHECK(h.cancelled() == std::vector<std::uint64_t>{second_wins ? first : second.id});
    h.answers(second_wins ? first : second.id);
    CHECK(h.none_completed());
    CHECK(h.session.counters().late_replies == 1);
    CHECK(h.session.counters().hedges == 1);
    CHECK(h.session.counters().hedges_won == (second_wins ? 1 : 0));
    CHECK_FALSE(h.session.next_deadline());
  }
}

TEST_CASE("a call that is answered in time is made once") {
  Again h;
  const auto call = h.submit_hedged();
  h.requests();
  h.pass(19ms);
  h.answers(id_of(call));
  CHECK(h.outcome_of(call).status == Status::ok);
  h.pass(1s);
  CHECK(h.messages().empty());
}

TEST_CASE("an attempt that says nothing leaves the call to the other one") {
  for (const auto status : {Status::overloaded, Status::unavailable, Status::worker_lost}) {
    for (const bool second_fails : {false, true}) {
      Again h;
      const auto call = h.submit_hedged();
      h.requests();
      h.pass_to_next();
      const auto second = h.requests().at(0).id;
      h.fails(second_fails ? second : id_of(call), 1, status);
      CHECK(h.none_completed());
      CHECK(h.messages().empty());
      h.answers(second_fails ? id_of(call) : second);
      CHECK(h.outcome_of(call).status == Status::ok);
      CHECK(h.messages().empty());
    }
  }
}

TEST_CASE("when both attempts have failed, the call has; or is made again where it may") {
  Again h;
  const auto call = h.submit_hedged();
  h.requests();
  h.pass_to_next();
  const auto second = h.requests().at(0).id;
  h.fails(id_of(call), 1, Status::worker_lost);
  h.fails(second, 1, Status::overloaded);
  CHECK(h.outcome_of(call).status == Status::overloaded);

  const auto again = h.submit_hedged(20ms, 10s, kThree);
  h.requests();
  h.pass_to_next();
  const auto its_second = h.requests().at(0).id;
  h.fails(its_second, 1, Status::worker_lost);
  h.fails(id_of(again), 1, Status::worker_lost);
  CHECK(h.none_completed());
  h.pass_to_next();
  CHECK(h.requests().at(0).attempt == 2);
  h.pass_to_next();
  CHECK(h.requests().at(0).attempt == 1);  // and again has a second one
}

TEST_CASE("an answer that is an error is an answer") {
  Again h;
  const auto call = h.submit_hedged();
  h.requests();
  h.pass_to_next();
  const auto second = h.requests().at(0).id;
  h.fails(second, 1, Status::app_error);
  CHECK(h.outcome_of(call).status == Status::app_error);
  CHECK(h.cancelled() == std::vector<std::uint64_t>{id_of(call)});
}

TEST_CASE("to cancel a call cancels both of its attempts") {
  Again h;
  const auto call = h.submit_hedged();
  h.requests();
  h.pass_to_next();
  const auto second = h.requests().at(0).id;
  h.session.cancel(call->id);
  CHECK(h.outcome_of(call).status == Status::cancelled);
  const auto ids = h.cancelled();
  CHECK(std::set(ids.begin(), ids.end()) == std::set{id_of(call), second});
}

TEST_CASE("a deadline ends both attempts, once") {
  for (const bool own : {true, false}) {
    Again h;
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = kEmptyTail;
    call->flags = proto::kIdempotent;
    call->own_timeout = own;
    call->deadline = h.now + (own ? Duration(1s) : Duration(limits::kBrokerWait));
    call->hedge_after = 20ms;
    h.session.submit(call, h.now);
    h.requests();
    h.pass_to_next();
    h.requests();
    h.pass(own ? Duration(2s) : Duration(25h));
    h.pass(own ? Duration(2s) : Duration(25h));
    CHECK(h.outcome_of(call).status == Status::deadline_exceeded);
    CHECK(h.session.outstanding() == 0);
    CHECK_FALSE(h.session.next_deadline());
  }
}

TEST_CASE("when the connection is lost a hedged call is sent again, alone") {
  for (const bool left_to_second : {false, true}) {
    Again h;
    const auto call = h.submit_hedged();
    h.requests();
    h.pass_to_next();
    h.requests();
    if (left_to_second) h.fails(id_of(call), 1, Status::worker_lost);
    h.session.disconnected(h.now);
    CHECK(h.none_completed());
    h.session.connected(h.now);
    h.welcome(2);
    const auto again = h.requests();
    REQUIRE(again.size() == 1);
    CHECK(again[0].id == id_of(call));
    CHECK(again[0].attempt == 2);
    h.answers(id_of(call), 2);
    CHECK(h.outcome_of(call).status == Status::ok);
  }
}

TEST_CASE("hedges are within the budget, and none begins where the broker goes away") {
  Again h(0);
  for (int i = 0; i < 20; ++i) h.submit_hedged();
  h.requests();
  h.pass_to_next();
  CHECK(h.requests().size() == 10);
  CHECK(h.session.counters().over_budget == 10);

  Again draining;
  draining.submit_hedged();
  draining.requests();
  draining.give(notice(proto::Kind::drain, 1));
  draining.pass_to_next();
  CHECK(draining.messages().empty());
  CHECK(draining.session.outstanding() == 1);
}

TEST_CASE("a message that was not taken leaves a hedged call as it was") {
  Again h;
  const auto call = h.submit_hedged();
  CHECK(h.messages().size() == 1);
  h.session.not_sent();
  h.pass(30ms);
  CHECK(h.requests().size() == 1);  // not two
  h.pass_to_next();
  CHECK(h.messages().size() == 1);
  h.session.not_sent();  // the second one
  CHECK(h.requests().size() == 1);
  h.answers(id_of(call));
  CHECK(h.outcome_of(call).status == Status::ok);
}
