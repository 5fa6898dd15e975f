// The client's session: bundles, limits, deadlines, cancels, and replies that fit nothing.
#include "proto/limits.hpp"
#include "tests/client/session_harness.hpp"

using namespace samovar;
using namespace samovar::client;

TEST_CASE("what waits becomes one bundle, in the order in which it was submitted") {
  Harness h;
  h.make_ready();
  std::vector<CallPtr> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(h.submit());
  const auto items = h.requests();
  REQUIRE(items.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(items[i].id == static_cast<std::uint64_t>(calls[i]->id));
  CHECK(h.messages().empty());
}

TEST_CASE("a bundle holds no more items than the broker takes") {
  Harness h;
  h.broker.max_bundle = 2;
  h.make_ready();
  for (int i = 0; i < 5; ++i) h.submit();
  const auto all = h.messages();
  REQUIRE(all.size() == 3);
  CHECK(all[0].calls == 2);
  CHECK(all[2].calls == 1);
}

TEST_CASE("a bundle is bounded in bytes, and a large call goes alone") {
  Harness h;
  h.make_ready();
  const std::string large =
      "\x91\xc6" + std::string("\x00\x04\x00\x00", 4) + std::string(0x40000, 'x') + "\xc0\xc0";
  h.submit();
  h.submit(10s, 0, large);
  h.submit();
  h.submit();
  const auto all = h.messages();
  REQUIRE(all.size() == 3);
  CHECK(all[0].calls == 1);
  CHECK(all[1].calls == 1);
  CHECK(all[1].frame.size() > 0x40000);
  CHECK(all[2].calls == 2);
}

TEST_CASE("a call of exactly max_body goes out, one byte more ends as too_large and disturbs no other") {
  Harness probe;
  probe.make_ready();
  probe.submit();
  const auto size = probe.messages().at(0).frame.size();

  Harness h;
  h.broker.max_body = size;
  h.make_ready();
  h.submit();
  CHECK(h.messages().at(0).frame.size() == size);
  const auto larger = h.submit(10s, 0, std::string("\x91\x01\xc0\xc0", 4));
  const auto fits = h.submit();
  CHECK(h.requests().size() == 1);
  const auto outcome = h.outcome_of(larger);
  CHECK(outcome.status == Status::too_large);
  CHECK(h.error(outcome).where == "client");
  CHECK(outcome.attempt == 0);
  h.give(h.reply(fits->id));
  CHECK(h.outcome_of(fits).status == Status::ok);
}

TEST_CASE("attachments count as body, travel beside it, and come back with the reply that they belong to") {
  Harness h;
  h.broker.max_body = 1000;
  h.make_ready();
  const auto add = [&](std::size_t bytes) {
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = std::string("\x90\xc0\x81\xab", 4) + "attachments\x01";
    call->attachments = {Buffer(std::string(bytes, 'a'))};
    call->deadline = h.now + 10s;
    h.session.submit(call, h.now);
    return call;
  };
  const auto large = add(1000);
  const auto first = add(3);
  const auto second = add(4);
  auto all = h.messages();
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].attachments.size() == 2);
  CHECK(all[0].attachments[1].size() == 4);
  CHECK(h.outcome_of(large).status == Status::too_large);

  proto::BundleWriter writer(proto::Kind::reply, h.epoch);
  const std::string tail =
      "\x01\x81\xab"
      "attachments";
  writer.add_reply(static_cast<std::uint64_t>(first->id), 1, Status::ok, 0, tail + '\x02');
  writer.add_reply(static_cast<std::uint64_t>(second->id), 1, Status::ok, 0, tail + '\x01');
  h.give(std::move(writer).finish(), {Buffer("x"), Buffer("yy"), Buffer("zzz")});
  const auto done = h.session.take_completions();
  REQUIRE(done.size() == 2);
  REQUIRE(done[0].outcome.attachments.size() == 2);
  CHECK(done[0].outcome.attachments[1].bytes() == "yy");
  REQUIRE(done[1].outcome.attachments.size() == 1);
  CHECK(done[1].outcome.attachments[0].bytes() == "zzz");
}

TEST_CASE("a message that the transport did not take waits again, in order and uncounted") {
  Harness h;
  h.session.connected(h.now);
  CHECK(h.messages().size() == 1);
  h.session.connected(h.now);
  Message message;
  REQUIRE(h.session.next_message(h.now, message));
  h.session.not_sent();
  h.welcome(3);  // the same HELLO again

  const auto first = h.submit();
  const auto second = h.submit();
  REQUIRE(h.session.next_message(h.now, message));
  CHECK(message.calls == 2);
  h.session.not_sent();
  CHECK(h.session.counters().calls_sent == 0);
  const auto third = h.submit();
  h.now += 4s;
  const auto items = h.requests();
  REQUIRE(items.size() == 3);
  CHECK(items[0].id == static_cast<std::uint64_t>(first->id));
  CHECK(items[1].id == static_cast<std::uint64_t>(second->id));
  CHECK(items[2].id == static_cast<std::uint64_t>(third->id));
  CHECK(items[0].attempt == 1);
  CHECK(items[0].timeout_us == 6'000'000);

  h.session.cancel(first->id);
  REQUIRE(h.session.next_message(h.now, message));
  h.session.not_sent();
  REQUIRE(h.session.next_message(h.now, message));
  std::vector<std::uint64_t> ids;
  REQUIRE(proto::decode_ids(message.frame, ids) == nullptr);
  CHECK(ids == std::vector{static_cast<std::uint64_t>(first->id)});
}

TEST_CASE("without a broker a call ends as unavailable at its deadline, and names the endpoint") {
  Harness h;
  const auto call = h.submit(5s);
  CHECK(h.session.next_deadline() == h.now + 5s);
  h.session.tick(h.now + 5s - 1us);
  CHECK(h.none_completed());
  h.session.tick(h.now + 5s);
  const auto outcome = h.outcome_of(call);
  CHECK(outcome.status == Status::unavailable);
  CHECK(h.error(outcome).message == "no broker answers at ipc://broker: is samovard running there?");
  CHECK(h.error(outcome).where == "client");

  h.session.handshake_failed();
  const auto other = h.submit(1s);
  h.session.tick(h.now + 1s);
  CHECK(h.error(h.outcome_of(other)).message ==
        "no broker answers at ipc://broker: something else listens there");
}

TEST_CASE("a broker that comes after a call's deadline is sent nothing") {
  Harness h;
  const auto call = h.submit(1s);
  h.session.connected(h.now);
  h.welcome(1);
  h.now += 1s;
  CHECK(h.messages().empty());  // also without a tick in between
  CHECK(h.outcome_of(call).status == Status::deadline_exceeded);
}

TEST_CASE("the broker has a grace to end an overdue call, then the client ends it and cancels") {
  Harness h;
  h.make_ready();
  const auto call = h.submit(1s);
  CHECK(h.requests().size() == 1);
  h.session.tick(h.now += 1s);
  CHECK(h.none_completed());
  CHECK(h.session.next_deadline() == h.now + 100ms);

  SECTION("the broker speaks in time") {
    proto::ErrorValue error;
    error.message = "too slow";
    error.where = "running";
    h.give(h.reply(call->id, 1, Status::deadline_exceeded, proto::encode_error(error) + '\xc0'));
    const auto outcome = h.outcome_of(call);
    CHECK(outcome.status == Status::deadline_exceeded);
    CHECK(h.error(outcome).where == "running");
    CHECK(h.messages().empty());
  }
  SECTION("it does not") {
    h.session.tick(h.now += 100ms);
    const auto outcome = h.outcome_of(call);
    CHECK(outcome.status == Status::deadline_exceeded);
    CHECK(h.error(outcome).where == "client");
    const auto all = h.messages();
    REQUIRE(all.size() == 1);
    std::vector<std::uint64_t> ids;
    REQUIRE(proto::decode_ids(all[0].frame, ids) == nullptr);
    CHECK(ids == std::vector{static_cast<std::uint64_t>(call->id)});
    h.give(h.reply(call->id));
    CHECK(h.none_completed());
    CHECK(h.session.counters().late_replies == 1);
  }
}

TEST_CASE("deadlines end calls in their own order") {
  Harness h;
  std::vector<CallPtr> calls;
  for (const int ms : {50, 10, 40, 20, 30}) calls.push_back(h.submit(std::chrono::milliseconds(ms)));
  h.session.cancel(calls[3]->id);
  h.session.take_completions();
  for (const std::size_t expected : {1u, 4u, 2u, 0u}) {
    REQUIRE(h.session.next_deadline());
    CHECK(*h.session.next_deadline() == calls[expected]->deadline);
    h.session.tick(*h.session.next_deadline());
    CHECK(h.outcome_of(calls[expected]).status == Status::unavailable);
  }
}

TEST_CASE("replies that fit nothing are counted and dropped") {
  Harness h;
  h.make_ready();
  const auto call = h.submit();
  h.give(h.reply(call->id));  // not sent yet
  CHECK(h.session.counters().late_replies == 1);
  h.requests();
  h.give(h.reply(CallId{12345}));
  h.give(h.reply(CallId{(1ull << 53) - 1}));
  CHECK(h.session.counters().late_replies == 3);
  h.epoch = 99;
  h.give(h.reply(call->id));
  CHECK(h.session.counters().stale_messages == 1);
  CHECK(h.none_completed());
  h.epoch = 1;
  h.give(h.reply(call->id));
  CHECK(h.outcome_of(call).status == Status::ok);
  h.give(h.reply(call->id));
  CHECK(h.none_completed());
  CHECK(h.session.counters().late_replies == 4);

  const auto next = h.submit();  // takes the slot, not the id
  CHECK(next->id != call->id);
  h.requests();
  h.give(h.reply(call->id));
  CHECK(h.none_completed());
}

TEST_CASE("a status that is not known is internal") {
  Harness h;
  h.make_ready();
  const auto call = h.submit();
  h.requests();
  h.give(h.reply(call->id, 1, static_cast<Status>(200), std::string("\x80\xc0")));
  CHECK(h.outcome_of(call).status == Status::internal);
}

TEST_CASE("cancel ends a waiting call without a word, and tells the broker of one that was sent") {
  Harness h;
  h.make_ready();
  const auto waiting = h.submit();
  h.session.cancel(waiting->id);
  CHECK(h.outcome_of(waiting).status == Status::cancelled);
  CHECK(h.messages().empty());
  const auto sent = h.submit();
  h.requests();
  h.session.cancel(sent->id);
  CHECK(h.outcome_of(sent).status == Status::cancelled);
  CHECK(h.messages().size() == 1);
  h.session.cancel(sent->id);  // has ended
  h.session.cancel(CallId{0});
  CHECK(h.none_completed());
  CHECK(h.messages().empty());
}

TEST_CASE("cancel_all ends everything once") {
  Harness h;
  h.make_ready();
  h.submit();
  h.requests();
  h.submit();
  h.session.cancel_all();
  const auto all = h.session.take_completions();
  REQUIRE(all.size() == 2);
  for (const auto& [call, outcome, is_item] : all) CHECK(outcome.status == Status::cancelled);
  CHECK(h.session.outstanding() == 0);
}

TEST_CASE("calls beyond the limits are refused at once as overloaded") {
  Harness h(2);
  h.submit();
  h.submit();
  const auto third = h.submit();
  CHECK(h.outcome_of(third).status == Status::overloaded);
  CHECK(third->id == CallId{});

  Harness bytes;
  bytes.config.max_waiting_bytes = 1000;
  bytes.session = OneLink(bytes.config);
  bytes.submit(10s, 0, std::string(900, 'x'));
  CHECK(bytes.outcome_of(bytes.submit(10s, 0, std::string(900, 'x'))).status == Status::overloaded);
}

TEST_CASE("what is no method's name is refused at once") {
  Harness h;
  const auto call = std::make_shared<Call>();
  call->method = GENERATE("country", ".country", "ipgeo.", "ip geo.country", "");
  call->deadline = h.now + 1s;
  h.session.submit(call, h.now);
  CHECK(h.outcome_of(call).status == Status::bad_request);
}

TEST_CASE("a thousand calls in random order of ends leave the table empty") {
  Harness h(100'000);
  h.make_ready();
  std::vector<CallPtr> open;
  std::uint32_t random = 12345;
  std::size_t done = 0;
  for (int step = 0; step < 5'000; ++step) {
    random = random * 1'664'525 + 1'013'904'223;
    const auto pick = random >> 8;
    if (pick % 3 != 0 || open.empty()) {
      open.push_back(h.submit(std::chrono::milliseconds(pick % 5000), pick % 2 * proto::kIdempotent));
    } else {
      h.messages();
      const auto call = open[pick % open.size()];
      pick % 2 ? h.session.cancel(call->id) : h.give(h.reply(call->id));
    }
    if (pick % 50 == 0) h.session.tick(h.now += 20ms);
    if (pick % 701 == 0) h.session.disconnected(h.now), h.session.connected(h.now), h.welcome(pick);
    for (const auto& completion : h.session.take_completions()) {
      done += static_cast<std::size_t>(std::erase(open, completion.call));
    }
    REQUIRE(h.session.outstanding() == open.size());
  }
  h.session.tick(h.now + 1h);
  h.session.tick(h.now + 1h);
  done += h.session.take_completions().size();
  CHECK(h.session.outstanding() == 0);
  CHECK(h.session.waiting() == 0);
  CHECK(done > 1'000);
}

TEST_CASE("a call with more attachments than a message can carry is refused at once") {
  Harness h;
  auto call = std::make_shared<Call>();
  call->method = "echo.say";
  call->tail = kEmptyTail;
  call->attachments.assign(samovar::limits::kMaxAttachments + 1, Buffer("x"));
  call->deadline = h.now + 10s;
  h.session.submit(call, h.now);
  const auto outcome = h.outcome_of(call);
  CHECK(outcome.status == Status::bad_request);
  CHECK(h.error(outcome).message == "a call can carry 64 attachments at most");
}

TEST_CASE("items that fit nothing are counted and dropped, and end no call") {
  Harness h;
  h.make_ready();
  const auto items = [&](CallId id, std::uint64_t seq, std::uint8_t attempt = 1) {
    proto::BundleWriter writer(proto::Kind::items, h.epoch);
    writer.add_item(static_cast<std::uint64_t>(id), attempt, seq, std::string("\x01\xc0", 2));
    return std::move(writer).finish();
  };
  const auto stream = h.submit(10s, proto::kStream);
  const auto plain = h.submit();
  h.give(items(stream->id, 0));  // not sent yet
  h.requests();
  h.give(items(CallId{12345}, 0));
  h.give(items(plain->id, 0));
  h.give(items(stream->id, 0, 0) + '\x01');
  CHECK(h.session.counters().late_replies == 3);
  CHECK(h.session.counters().malformed == 1);
  h.epoch = 99;
  h.give(items(stream->id, 0));
  CHECK(h.session.counters().stale_messages == 1);
  CHECK(h.none_completed());
  h.epoch = 1;
  h.give(items(stream->id, 0));
  CHECK(h.session.take_completions().at(0).is_item);
  CHECK(stream->items == 1);
}

TEST_CASE("an item of an earlier attempt is not the stream's that was sent again") {
  Harness h;
  h.make_ready();
  const auto stream = h.submit(10s, proto::kStream | proto::kIdempotent);
  h.requests();
  h.session.disconnected(h.now);
  h.make_ready();
  h.requests();
  proto::BundleWriter writer(proto::Kind::items, h.epoch);
  writer.add_item(static_cast<std::uint64_t>(stream->id), 1, 0, std::string("\x01\xc0", 2));
  h.give(std::move(writer).finish());
  h.give(h.reply(stream->id, 1));
  CHECK(h.session.counters().late_replies == 2);
  CHECK(h.none_completed());
}

TEST_CASE("a window is widened of what was sent only") {
  Harness h;
  h.make_ready();
  const auto stream = h.submit(10s, proto::kStream);
  h.session.widen(stream->id, 20);
  h.session.widen(CallId{12345}, 20);
  CHECK(h.requests().size() == 1);
  h.session.widen(stream->id, 20);
  const auto all = h.messages();
  REQUIRE(all.size() == 1);
  std::vector<proto::Window> windows;
  REQUIRE(proto::decode_windows(all[0].frame, windows) == nullptr);
  CHECK(windows.size() == 1);
}

TEST_CASE("a transport that refuses what it was not given changes nothing") {
  Harness h;
  h.make_ready();
  h.submit();
  const auto sent = h.session.counters().messages_sent;
  h.session.disconnected(h.now);
  h.session.not_sent();
  CHECK(h.session.counters().messages_sent == sent);
}
