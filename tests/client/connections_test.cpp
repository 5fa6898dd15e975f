// Which links there are: as the list of brokers changes, and as they age.
#include <chrono>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "client/connections.hpp"
#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "tests/support/catch.hpp"

namespace samovar::client {
namespace {

using namespace std::chrono_literals;

// Only what is open.
class Sockets final : public Transport {
 public:
  std::map<LinkId, std::string> open_now;
  std::multiset<std::string> endpoints() const {
    std::multiset<std::string> all;
    for (const auto& [link, endpoint] : open_now) all.insert(endpoint);
    return all;
  }

  void open(LinkId link, const std::string& endpoint) override {
    if (endpoint == "nonsense") throw std::invalid_argument(endpoint);
    CHECK(open_now.emplace(link, endpoint).second);
  }
  void close(LinkId link) override { CHECK(open_now.erase(link) == 1); }
  bool receive(LinkId /*link*/, Incoming& /*message*/) override { return false; }
  bool next_event(LinkId /*link*/, Event& /*event*/) override { return false; }
  bool send(Message& /*message*/) override { return true; }
  Readiness readiness(LinkId /*link*/) override { return {}; }
  void wait(std::optional<TimePoint> /*until*/) override {}
  void wake() noexcept override {}
  void close_all() override { open_now.clear(); }
};

struct Stage {
  explicit Stage(Duration max_age = {}) : connections(session, sockets, max_age, 1) {}

  TimePoint now{1'000s};
  Session session{SessionConfig{}};
  Sockets sockets;
  Connections connections;

  void make_ready(LinkId link) {
    session.connected(link, now);
    Message message;
    REQUIRE(session.next_message(now, message));
    proto::PeerHello said;
    REQUIRE(proto::decode(message.frame, said) == nullptr);
    proto::BrokerHello hello;
    hello.nonce = said.nonce;
    hello.max_body = 1 << 20;
    hello.max_bundle = 100;
    session.message(link, Buffer(proto::encode(1, hello)), {}, now);
    REQUIRE(session.link(link).state == LinkState::ready);
  }
  void at(TimePoint time) {
    now = time;
    session.tick(now);
    connections.tick(now);
  }
  using All = std::multiset<std::string>;
};

TEST_CASE("there is a link to each broker that is known, and none to others") {
  Stage s;
  s.connections.want({"ipc://a", "ipc://b"});
  CHECK(s.sockets.endpoints() == Stage::All{"ipc://a", "ipc://b"});
  s.connections.want({"ipc://b", "ipc://c"});
  s.at(s.now);
  CHECK(s.sockets.endpoints() == Stage::All{"ipc://b", "ipc://c"});
  s.connections.want({});
  s.at(s.now);
  CHECK(s.sockets.endpoints().empty());
  CHECK_THROWS_AS(s.connections.want({"ipc://d", "nonsense"}), std::invalid_argument);
  CHECK(s.sockets.endpoints() == Stage::All{"ipc://d"});
}

TEST_CASE("a broker that leaves the list and comes back at once has a new link") {
  Stage s;
  s.connections.want({"ipc://a"});
  s.connections.want({});
  s.connections.want({"ipc://a"});
  s.at(s.now);
  CHECK(s.sockets.endpoints() == Stage::All{"ipc://a"});
}

TEST_CASE("of too many brokers as many as there may be have a link") {
  Stage s;
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.push_back("ipc://" + std::to_string(i));
  s.connections.want(many);
  CHECK(s.sockets.open_now.size() == limits::kMaxLinks);
}

TEST_CASE("with as many links as there may be none is made anew") {
  Stage s(60s);
  std::vector<std::string> many;
  for (std::size_t i = 0; i < limits::kMaxLinks; ++i) many.push_back("ipc://" + std::to_string(i));
  s.connections.want(many);
  s.make_ready(s.sockets.open_now.begin()->first);
  s.at(s.now);
  s.at(s.now + 1h);
  CHECK(s.sockets.open_now.size() == limits::kMaxLinks);
  CHECK_FALSE(s.connections.next_deadline());
}

TEST_CASE("an old link goes when the one that follows it is ready and its last call has ended") {
  Stage s(60s);
  s.connections.want({"ipc://a"});
  const auto old = s.sockets.open_now.begin()->first;
  CHECK_FALSE(s.connections.next_deadline());
  s.make_ready(old);
  s.at(s.now);
  const auto due = s.connections.next_deadline();
  REQUIRE(due);
  CHECK(*due >= s.now + 45s);
  CHECK(*due <= s.now + 75s);
  auto call = std::make_shared<Call>();
  call->method = "a.b";
  call->tail = std::string("\x90\xc0\xc0", 3);
  call->deadline = *due + 1h;
  s.session.submit(call, s.now);
  Message message;
  REQUIRE(s.session.next_message(s.now, message));
  REQUIRE(message.link == old);

  s.at(*due);
  CHECK(s.sockets.endpoints() == Stage::All{"ipc://a", "ipc://a"});
  CHECK_FALSE(s.session.link(old).retiring);
  const auto next = s.sockets.open_now.rbegin()->first;
  REQUIRE(next != old);
  s.at(*due + 1h);
  CHECK_FALSE(s.session.link(old).retiring);
  s.make_ready(next);
  s.at(s.now);
  CHECK(s.session.link(old).retiring);
  s.session.cancel(call->id);
  while (s.session.next_message(s.now, message)) {
  }
  s.at(s.now);
  CHECK(s.sockets.open_now.size() == 1);
  CHECK(s.sockets.open_now.contains(next));
}

TEST_CASE("a link that breaks after the one that follows it was begun does not stay for ever") {
  Stage s(60s);
  s.connections.want({"ipc://a"});
  const auto old = s.sockets.open_now.begin()->first;
  s.make_ready(old);
  s.at(s.now);
  s.at(*s.connections.next_deadline());
  const auto next = s.sockets.open_now.rbegin()->first;
  s.session.disconnected(old, s.now);
  s.make_ready(next);
  s.at(s.now);
  CHECK(s.sockets.open_now.size() == 1);
}

}  // namespace
}  // namespace samovar::client
