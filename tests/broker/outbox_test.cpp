#include "broker/core/outbox.hpp"

#include "tests/broker/messages.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace samovar::broker;
using namespace samovar::test;

namespace {

constexpr PeerId kFirst{1};
constexpr PeerId kSecond{2};
constexpr Epoch kEpoch{77};

void reply(Outbox& outbox, PeerId peer, std::uint64_t id, std::size_t bytes = 10,
           const Frames& attachments = {}) {
  const std::string value = str(std::string(bytes, 'x'));
  const std::string tail =
      value + ext(attachments.empty()
                      ? std::map<std::string, std::uint64_t>{}
                      : std::map<std::string, std::uint64_t>{{"attachments", attachments.size()}});
  proto::ReplyItem item;
  item.id = id;
  item.value = tail;
  item.ext = std::string_view(tail.data() + tail.size(), 0);
  outbox.reply(peer, kEpoch, item, attachments);
}

std::vector<std::size_t> items(const std::vector<Message>& messages) {
  std::vector<std::size_t> counts;
  for (const auto& message : messages) {
    const Heard heard = hear(message);
    REQUIRE(heard.malformed == nullptr);
    counts.push_back(heard.replies.size() + heard.requests.size());
  }
  return counts;
}

}  // namespace

TEST_CASE("Items for one peer become one bundle, and those for another peer another") {
  Outbox outbox;
  reply(outbox, kFirst, 1);
  reply(outbox, kSecond, 2);
  reply(outbox, kFirst, 3);
  const auto messages = outbox.take_messages();
  REQUIRE(items(messages) == std::vector<std::size_t>{2, 1});
  const Heard heard = hear(messages[0]);
  CHECK(heard.epoch == raw(kEpoch));
  CHECK(heard.replies[0].id == 1);
  CHECK(heard.replies[1].id == 3);
  CHECK(outbox.take_messages().empty());
}

TEST_CASE("A bundle takes 128 items") {
  Outbox outbox;
  for (std::uint64_t id = 0; id < 600; ++id) reply(outbox, kFirst, id);
  CHECK(items(outbox.take_messages()) == std::vector<std::size_t>{128, 128, 128, 128, 88});
}

TEST_CASE("A bundle takes 256 KiB, and a larger item goes alone") {
  Outbox outbox;
  for (std::uint64_t id = 0; id < 5; ++id) reply(outbox, kFirst, id, 100 * 1024);
  reply(outbox, kFirst, 5, 1 << 20);
  reply(outbox, kFirst, 6);
  CHECK(items(outbox.take_messages()) == std::vector<std::size_t>{2, 2, 1, 1, 1});
}

TEST_CASE("Attachments count for the size of a bundle, and stay in the order of their items") {
  Outbox outbox;
  const Frames small{frame("a"), frame("b")};
  const Frames large{frame(std::string(200 * 1024, 'c'))};
  reply(outbox, kFirst, 1, 10, small);
  reply(outbox, kFirst, 2, 10, large);
  reply(outbox, kFirst, 3, 10, large);
  reply(outbox, kFirst, 4, 10, small);
  const auto messages = outbox.take_messages();
  REQUIRE(items(messages) == std::vector<std::size_t>{2, 2});
  REQUIRE(messages[0].attachments.size() == 3);
  CHECK(messages[0].attachments[1]->bytes() == "b");
  CHECK(messages[0].attachments[2]->bytes().size() == 200 * 1024);
  CHECK(messages[1].attachments.size() == 3);
  CHECK(messages[1].attachments[2]->bytes() == "b");
}

TEST_CASE("A control message keeps its place among the items of its peer") {
  Outbox outbox;
  reply(outbox, kFirst, 1);
  outbox.control(Side::frontend, kFirst, proto::encode(proto::Kind::drain, 77, proto::Notice{"bye"}));
  reply(outbox, kFirst, 2);
  const auto messages = outbox.take_messages();
  REQUIRE(messages.size() == 3);
  CHECK(hear(messages[0]).kind == proto::Kind::reply);
  CHECK(hear(messages[1]).kind == proto::Kind::drain);
  CHECK(hear(messages[2]).kind == proto::Kind::reply);
}

TEST_CASE("A request says when it was sent") {
  Outbox outbox;
  const std::string tail = body("hello") + ext({});
  proto::RequestItem item;
  item.id = 5;
  item.method = "a.b";
  item.timeout_us = 9;
  item.body = tail;
  item.ext = std::string_view(tail.data() + tail.size(), 0);
  outbox.request(kFirst, kEpoch, TimePoint(std::chrono::seconds(3)), item, {});
  const auto messages = outbox.take_messages();
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].side == Side::backend);
  const Heard heard = hear(messages[0]);
  CHECK(heard.sent_us == 3'000'000);
  CHECK(heard.requests.at(0).timeout_us == 9);
  CHECK(heard.requests.at(0).method == "a.b");
}
