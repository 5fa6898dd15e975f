// The client's session: every state and event of a connection, and what becomes of calls when it goes.
#include "tests/client/session_harness.hpp"

using namespace samovar;
using namespace samovar::client;

TEST_CASE("a session says HELLO when it is connected, and sends what waits once it has an epoch") {
  Harness h;
  const auto call = h.submit();
  CHECK(h.messages().empty());
  h.session.connected(h.now);
  CHECK(h.session.state() == LinkState::greeting);
  h.welcome(77);
  CHECK(h.session.state() == LinkState::ready);
  h.now += 1s;
  const auto items = h.requests();
  REQUIRE(items.size() == 1);
  CHECK(items[0].method == "echo.say");
  CHECK(items[0].id == static_cast<std::uint64_t>(call->id));
  CHECK(items[0].attempt == 1);
  CHECK(items[0].timeout_us == 9'000'000);  // what is left when it is sent
  h.give(h.reply(call->id));
  const auto outcome = h.outcome_of(call);
  CHECK(outcome.status == Status::ok);
  CHECK(outcome.value.bytes() == "\x01");
  CHECK(outcome.run_us == 5);
  CHECK(h.session.outstanding() == 0);
  CHECK_FALSE(h.session.next_deadline());
}

TEST_CASE(
    "a broker that takes the connection and says nothing is unavailable, and gets HELLO again every 5 s") {
  Harness h;
  h.session.connected(h.now);
  const auto first = h.nonce();
  CHECK(h.session.next_deadline() == h.now + 5s);
  h.session.tick(h.now += 5s);
  const auto second = h.nonce();
  CHECK(second != first);
  CHECK(h.session.next_deadline() == h.now + 5s);
  h.broker.nonce = first;
  h.give(proto::encode(5, h.broker));  // too late: the broker has given that epoch up
  CHECK(h.session.state() == LinkState::greeting);
  CHECK(h.session.counters().stale_messages == 1);
  const auto call = h.submit(1s);
  h.session.tick(h.now += 1s);
  CHECK(h.outcome_of(call).status == Status::unavailable);
  h.broker.nonce = second;
  h.give(proto::encode(6, h.broker));
  CHECK(h.session.state() == LinkState::ready);
}

TEST_CASE(
    "when the broker is lost, what was sent ends as broker_lost at once, and what waits goes on waiting") {
  Harness h;
  h.make_ready();
  const auto sent = h.submit();
  h.requests();
  const auto waiting = h.submit();

  SECTION("the connection breaks") {
    h.session.disconnected(h.now);
  }
  SECTION("the connection was made anew, and nobody saw it break") {
    h.session.connected(h.now);
  }
  SECTION("the broker says REGISTER_AGAIN") {
    h.give(notice(proto::Kind::register_again, 0));
  }

  const auto outcome = h.outcome_of(sent);
  CHECK(outcome.status == Status::broker_lost);
  CHECK(outcome.attempt == 1);
  if (h.session.state() == LinkState::disconnected) h.session.connected(h.now);
  h.welcome(2);
  const auto items = h.requests();
  REQUIRE(items.size() == 1);
  CHECK(items[0].id == static_cast<std::uint64_t>(waiting->id));
}

TEST_CASE("idempotent calls are sent again to the next broker, first, in order, as the next attempt") {
  Harness h;
  h.make_ready();
  const auto first = h.submit(10s, proto::kIdempotent);
  const auto plain = h.submit();
  const auto second = h.submit(10s, proto::kIdempotent);
  h.requests();
  const auto waiting = h.submit();
  h.session.disconnected(h.now);
  CHECK(h.outcome_of(plain).status == Status::broker_lost);
  CHECK(h.session.outstanding() == 3);
  h.now += 3s;
  h.session.connected(h.now);
  h.welcome(2);
  const auto items = h.requests();
  REQUIRE(items.size() == 3);
  CHECK(items[0].id == static_cast<std::uint64_t>(first->id));
  CHECK(items[1].id == static_cast<std::uint64_t>(second->id));
  CHECK(items[2].id == static_cast<std::uint64_t>(waiting->id));
  CHECK(items[0].attempt == 2);
  CHECK(items[2].attempt == 1);
  CHECK(items[0].timeout_us == 7'000'000);
  CHECK(h.session.counters().calls_sent_again == 2);

  h.give(h.reply(first->id, 1));  // of the attempt before
  CHECK(h.none_completed());
  CHECK(h.session.counters().late_replies == 1);
  h.give(h.reply(first->id, 3));  // the broker has tried again by itself
  CHECK(h.outcome_of(first).attempt == 3);
}

TEST_CASE("an idempotent call that finds no further broker ends as broker_lost at its deadline") {
  Harness h;
  h.make_ready();
  const auto call = h.submit(10s, proto::kIdempotent);
  h.requests();
  h.session.disconnected(h.now);
  CHECK(h.none_completed());
  h.session.tick(h.now + 10s);
  const auto outcome = h.outcome_of(call);
  CHECK(outcome.status == Status::broker_lost);
  CHECK(outcome.attempt == 1);
}

TEST_CASE("a CANCEL does not outlive its epoch") {
  Harness h;
  h.make_ready();
  const auto call = h.submit();
  h.requests();
  h.session.cancel(call->id);
  h.session.disconnected(h.now);
  h.session.connected(h.now);
  h.welcome(2);
  CHECK(h.messages().empty());
}

TEST_CASE(
    "PROTOCOL_ERROR in answer to HELLO ends all calls, and those that come, until the next connection") {
  Harness h;
  const auto before = h.submit();
  h.make_refused();
  const auto outcome = h.outcome_of(before);
  CHECK(outcome.status == Status::protocol_error);
  CHECK(h.error(outcome).message.find("speak version 9") != std::string::npos);
  const auto after = h.submit();
  CHECK(h.outcome_of(after).status == Status::protocol_error);
  CHECK(h.messages().empty());
  h.session.tick(h.now + 100s);
  CHECK(h.messages().empty());
  h.session.disconnected(h.now);
  h.make_ready();
}

TEST_CASE("PROTOCOL_ERROR later on ends what was sent, since nobody knows which message was refused") {
  Harness h;
  h.make_ready();
  const auto sent = h.submit();
  h.requests();
  const auto waiting = h.submit();
  h.give(proto::encode(0, proto::ProtocolError{"bad bundle", {}, {}}));
  CHECK(h.outcome_of(sent).status == Status::protocol_error);
  CHECK(h.session.state() == LinkState::ready);
  CHECK(h.requests().at(0).id == static_cast<std::uint64_t>(waiting->id));
}

TEST_CASE("a malformed message is counted and dropped, whatever the state") {
  const auto state =
      GENERATE(LinkState::disconnected, LinkState::greeting, LinkState::ready, LinkState::refused);
  Harness h;
  h.make(state);
  for (const auto& bad : {std::string(), std::string("\xc1"), std::string("\x93\x01\x63\x01", 4),
                          std::string("\x93\x02\x03\x01", 4), std::string("\x94\x01\x01\x01\x05", 5),
                          proto::encode(0, h.broker), std::string("\x93\x01\x02\x01", 4)}) {
    h.give(bad);
  }
  h.give(proto::encode(3, h.broker), {Buffer("attachment")});
  CHECK(h.session.counters().malformed == 8);
  CHECK(h.session.state() == state);
  CHECK(h.none_completed());
}

TEST_CASE("a malformed REPLY ends no call") {
  Harness h;
  h.make_ready();
  const auto call = h.submit();
  h.requests();
  auto reply = h.reply(call->id);
  h.give(reply + '\x01');
  h.give(reply, {Buffer("not claimed")});
  h.give(h.reply(call->id, 0));
  CHECK(h.session.counters().malformed == 3);
  CHECK(h.none_completed());
  h.give(reply);
  CHECK(h.outcome_of(call).status == Status::ok);
}

TEST_CASE("a broker that speaks another version is unavailable, and the message says why") {
  Harness h;
  h.session.connected(h.now);
  h.messages();
  h.give(std::string("\x93\x02\x0c\x00", 4));
  const auto call = h.submit(1s);
  h.session.tick(h.now + 1s);
  CHECK(h.error(h.outcome_of(call)).message ==
        "the broker at ipc://broker takes connections, but cannot be understood: it speaks version 2 of the "
        "protocol, "
        "this client version 1");
}

TEST_CASE("events that do not fit a state change nothing") {
  const auto state =
      GENERATE(LinkState::disconnected, LinkState::greeting, LinkState::ready, LinkState::refused);
  Harness h;
  h.make(state);
  const auto counted = h.session.counters().stale_messages;

  h.give(proto::encode_bare(proto::Kind::probe, 0));
  CHECK(h.session.counters().stale_messages == counted);
  h.broker.nonce = 4711;
  h.give(proto::encode(9, h.broker));  // answers another HELLO
  h.give(notice(proto::Kind::drain, 4711));
  h.epoch = 4711;
  h.give(h.reply(CallId{1}));
  CHECK(h.session.counters().stale_messages == counted + 3);
  CHECK(h.session.state() == state);
  if (state != LinkState::ready) {
    h.give(notice(proto::Kind::register_again, 0));
    CHECK(h.session.counters().stale_messages == counted + 4);
    CHECK(h.session.state() == state);
  }
  CHECK(h.messages().empty());
  CHECK(h.none_completed());

  h.session.disconnected(h.now);
  CHECK(h.session.state() == LinkState::disconnected);
  h.session.connected(h.now);
  CHECK(h.session.state() == LinkState::greeting);
}

TEST_CASE("DRAIN ends a call that waits to be sent again as broker_lost: it may have run") {
  Harness h;
  h.make_ready();
  const auto call = h.submit(10s, proto::kIdempotent);
  h.requests();
  h.session.disconnected(h.now);
  CHECK(h.none_completed());
  h.make_ready();
  h.give(notice(proto::Kind::drain, h.epoch));
  CHECK(h.outcome_of(call).status == Status::broker_lost);
}

TEST_CASE(
    "after DRAIN what waits and what comes is unavailable until the next epoch, and replies still count") {
  Harness h;
  h.make_ready();
  const auto sent = h.submit();
  h.requests();
  const auto waiting = h.submit();
  h.give(notice(proto::Kind::drain, h.epoch));
  CHECK(h.session.draining());
  CHECK(h.outcome_of(waiting).status == Status::unavailable);
  CHECK(h.outcome_of(h.submit()).status == Status::unavailable);
  h.give(h.reply(sent->id));
  CHECK(h.outcome_of(sent).status == Status::ok);
  h.session.disconnected(h.now);
  const auto later = h.submit();
  CHECK(h.none_completed());
  h.make_ready();
  CHECK_FALSE(h.session.draining());
  CHECK(h.requests().at(0).id == static_cast<std::uint64_t>(later->id));
}

TEST_CASE("a DRAIN that wants an answer gets it behind the requests that were sent, once") {
  Harness h;
  h.make_ready();
  h.submit();
  h.requests();
  h.give(proto::encode(proto::Kind::drain, h.epoch, proto::Notice{"bye", true}));
  Message message;
  REQUIRE(h.session.next_message(h.now, message));
  h.session.not_sent();
  const auto said = h.messages();
  REQUIRE(said.size() == 1);
  CHECK(said[0].frame == proto::encode(proto::Kind::drained, h.epoch, proto::Notice{}));
  h.give(notice(proto::Kind::drain, h.epoch));
  CHECK(h.messages().empty());
}

TEST_CASE("PROTOCOL_ERROR before there is a HELLO, or behind the one that refused, is stale") {
  const auto state = GENERATE(LinkState::disconnected, LinkState::refused);
  Harness h;
  h.make(state);
  const auto counted = h.session.counters().stale_messages;
  h.give(proto::encode(0, proto::ProtocolError{"late", {}, {}}));
  CHECK(h.session.counters().stale_messages == counted + 1);
  CHECK(h.session.state() == state);
  h.session.connected(h.now);
  h.give(proto::encode(0, proto::ProtocolError{"late", {}, {}}));  // HELLO has not been said yet
  CHECK(h.session.counters().stale_messages == counted + 2);
  CHECK(h.session.state() == LinkState::greeting);
}

TEST_CASE("a malformed PROTOCOL_ERROR refuses nothing") {
  Harness h;
  h.session.connected(h.now);
  h.messages();
  h.give(std::string("\x94\x01\x0c\x00\x05", 5));
  CHECK(h.session.counters().malformed == 1);
  CHECK(h.session.state() == LinkState::greeting);
}

TEST_CASE("a broker that takes connections and says nothing is unavailable") {
  Harness h;
  h.session.connected(h.now);
  h.messages();
  const auto call = h.submit(1s);
  h.session.tick(h.now + 1s);
  const auto outcome = h.outcome_of(call);
  CHECK(outcome.status == Status::unavailable);
  CHECK(h.error(outcome).message == "the broker at ipc://broker takes connections, but does not answer");
}

TEST_CASE("a key that is refused while there is a connection changes nothing") {
  Harness h;
  h.make_ready();
  h.session.unauthorized("refuses the key", h.now);
  CHECK(h.session.state() == LinkState::ready);
  const auto call = h.submit();
  CHECK(h.requests().at(0).id == static_cast<std::uint64_t>(call->id));
}
