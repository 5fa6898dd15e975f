// The client's session: calls of callers that were built against a schema.
#include "tests/client/session_harness.hpp"

namespace samovar::client {
namespace {

constexpr Schema kSchema{77, {"\x81\xa1m\xc0", 4}};
constexpr Schema kOther{78, {"\x80", 1}};

CallPtr submit(Harness& h, const Schema* schema) {
  auto call = std::make_shared<Call>();
  call->method = "echo.say";
  call->tail = kEmptyTail;
  call->deadline = h.now + 10s;
  call->schema = schema;
  h.session.submit(call, h.now);
  return call;
}

struct Sent {
  std::uint64_t id;
  std::string method;
  std::string body;
};

std::vector<std::vector<Sent>> sent(Harness& h) {
  std::vector<std::vector<Sent>> all;
  for (const auto& message : h.messages()) {
    std::vector<proto::RequestItem> items;
    std::uint64_t sent_us = 0;
    REQUIRE(proto::decode_requests(message.frame, message.attachments.size(), sent_us, items) == nullptr);
    auto& bundle = all.emplace_back();
    for (const auto& item : items) {
      bundle.push_back({item.id, std::string(item.method), std::string(item.body)});
    }
    const bool declares = bundle[0].method == "samovar.declare";
    CHECK(message.calls == (declares ? 0 : items.size()));
  }
  return all;
}

const std::string kDeclaration77("\x92\x4d\x81\xa1m\xc0\xc0", 7);

}  // namespace

TEST_CASE("a schema is declared once on a connection, before the first call that was built against it") {
  Harness h;
  h.make_ready();
  submit(h, nullptr);
  submit(h, &kSchema);
  submit(h, &kSchema);
  submit(h, &kOther);
  submit(h, nullptr);
  const auto all = sent(h);
  REQUIRE(all.size() == 5);
  CHECK(all[0].size() == 1);
  CHECK(all[1][0].id == 0);
  CHECK(all[1][0].method == "samovar.declare");
  CHECK(all[1][0].body == kDeclaration77);
  CHECK(all[2].size() == 2);
  CHECK(all[3][0].method == "samovar.declare");
  CHECK(all[4].size() == 2);
  submit(h, &kOther);
  CHECK(sent(h).size() == 1);
}

TEST_CASE("what the broker answers to a declaration is nobody's, and no late reply") {
  Harness h;
  h.make_ready();
  const auto call = submit(h, &kSchema);
  h.messages();
  proto::BundleWriter replies(proto::Kind::reply, h.epoch);
  replies.add_reply(0, 1, Status::ok, 0, std::string("\xc0\xc0", 2));
  h.give(std::move(replies).finish());
  CHECK(h.none_completed());
  CHECK(h.session.counters().late_replies == 0);
  CHECK(h.session.outstanding() == 1);
}

TEST_CASE("a declaration that the transport did not take is sent again, and anew on each connection") {
  Harness h;
  h.make_ready();
  submit(h, &kSchema);
  Message message;
  REQUIRE(h.session.next_message(h.now, message));
  h.session.not_sent();
  CHECK(sent(h).size() == 2);
  h.session.disconnected(h.now);
  h.session.take_completions();
  h.make_ready();
  submit(h, &kSchema);
  CHECK(sent(h).size() == 2);
}

TEST_CASE("a schema is declared also when the call before has expired meanwhile") {
  Harness h;
  h.make_ready();
  h.submit(1s);
  submit(h, &kSchema);
  h.now += 2s;
  const auto all = sent(h);
  REQUIRE(all.size() == 2);
  CHECK(all[0][0].method == "samovar.declare");
}

TEST_CASE("a schema that is larger than what the broker takes is not declared") {
  Harness h;
  h.broker.max_body = 60;
  h.make_ready();
  static const std::string large = "\xd9\xc8" + std::string(200, 'x');
  static const Schema schema{79, large};
  submit(h, &schema);
  const auto all = sent(h);
  REQUIRE(all.size() == 1);
  CHECK(all[0][0].method == "echo.say");
}

}  // namespace samovar::client
