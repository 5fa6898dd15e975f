// A session on fake time, and the broker's part of the conversation.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/session.hpp"
#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/one_link.hpp"

namespace samovar::client {

using namespace std::chrono_literals;

inline const std::string kEmptyTail("\x90\xc0\xc0", 3);  // [], nil, nil

struct Harness {
  SessionConfig config = [] {
    SessionConfig c;
    c.name = "test";
    c.pid = 42;
    c.clock = "host";
    c.nonce_seed = 100;
    c.id_seed = 7;
    return c;
  }();
  OneLink session{config};
  TimePoint now{1'000s};
  std::uint64_t epoch = 0;
  proto::BrokerHello broker = [] {
    proto::BrokerHello hello;
    hello.max_body = 1 << 20;
    hello.max_bundle = 1024;
    hello.heartbeat_ms = 2000;
    hello.default_timeout_us = 30'000'000;
    hello.max_timeout_us = 86'400'000'000;
    return hello;
  }();

  explicit Harness(std::size_t max_outstanding = 1000) {
    config.max_outstanding = max_outstanding;
    session = OneLink(config);
  }

  CallPtr submit(Duration timeout = 10s, std::uint32_t flags = 0, std::string tail = kEmptyTail) {
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = std::move(tail);
    call->flags = flags;
    call->deadline = now + timeout;
    session.submit(call, now);
    return call;
  }

  // Without a timeout: the broker sets the deadline.
  CallPtr submit_open(std::uint32_t flags = 0) {
    auto call = std::make_shared<Call>();
    call->method = "echo.say";
    call->tail = kEmptyTail;
    call->flags = flags;
    call->own_timeout = false;
    call->deadline = now + limits::kBrokerWait;
    session.submit(call, now);
    return call;
  }

  std::vector<Message> messages() {
    std::vector<Message> all;
    for (Message message; session.next_message(now, message);) all.push_back(std::move(message));
    return all;
  }

  // The requests of the one message that is to be sent.
  std::vector<proto::RequestItem> requests() {
    auto all = messages();
    REQUIRE(all.size() == 1);
    frame = std::move(all[0].frame);
    std::vector<proto::RequestItem> items;
    std::uint64_t sent_us = 0;
    REQUIRE(proto::decode_requests(frame, all[0].attachments.size(), sent_us, items) == nullptr);
    CHECK(std::chrono::microseconds(sent_us) ==
          std::chrono::floor<std::chrono::microseconds>(now.time_since_epoch()));
    CHECK(all[0].calls == items.size());
    return items;
  }
  std::string frame;

  void give(std::string bytes, std::vector<Buffer> attachments = {}) {
    session.message(Buffer(std::move(bytes)), attachments, now);
  }

  std::uint64_t nonce() {
    auto all = messages();
    REQUIRE(all.size() == 1);
    proto::PeerHello hello;
    REQUIRE(proto::decode(all[0].frame, hello) == nullptr);
    CHECK(hello.role == proto::Role::client);
    CHECK(hello.pid == 42);
    CHECK(hello.clock == "host");
    return hello.nonce;
  }

  void welcome(std::uint64_t new_epoch) {
    broker.nonce = nonce();
    epoch = new_epoch;
    give(proto::encode(epoch, broker));
  }

  void make_ready() {
    session.connected(now);
    welcome(1);
    REQUIRE(session.state() == LinkState::ready);
  }
  void make_refused() {
    session.connected(now);
    messages();
    give(proto::encode(0, proto::ProtocolError{"speak version 9", 1, {9}}));
    REQUIRE(session.state() == LinkState::refused);
  }

  void make(LinkState state) {
    if (state == LinkState::greeting) session.connected(now), messages();
    if (state == LinkState::ready) make_ready();
    if (state == LinkState::refused) make_refused();
    REQUIRE(session.state() == state);
  }

  std::string reply(CallId id, std::uint8_t attempt = 1, Status status = Status::ok,
                    std::string tail = "\x01\xc0") {
    proto::BundleWriter writer(proto::Kind::reply, epoch);
    writer.add_reply(static_cast<std::uint64_t>(id), attempt, status, 5, tail);
    return std::move(writer).finish();
  }

  // The one completion that there must be.
  Outcome outcome_of(const CallPtr& call) {
    auto all = session.take_completions();
    REQUIRE(all.size() == 1);
    CHECK(all[0].call == call);
    return all[0].outcome;
  }
  bool none_completed() { return session.take_completions().empty(); }

  proto::ErrorValue error(const Outcome& outcome) {
    proto::ErrorValue value;
    REQUIRE(proto::decode_error(outcome.value.bytes(), value) == nullptr);
    return value;
  }
};

inline std::string notice(proto::Kind kind, std::uint64_t epoch) {
  return proto::encode(kind, epoch, proto::Notice{"because"});
}

}  // namespace samovar::client
