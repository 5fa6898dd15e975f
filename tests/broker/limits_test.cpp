// Limits of the core that no configuration moves: what is beyond is refused, and disturbs nobody.
#include <map>
#include <set>

#include "broker/core/core.hpp"
#include "broker/core/wire.hpp"
#include "tests/broker/messages.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace samovar::broker;
using namespace samovar::test;
using namespace std::chrono_literals;

namespace {

class Bench {
 public:
  void hello(std::uint64_t peer, proto::Role role) {
    proto::PeerHello hello;
    hello.nonce = 1;
    hello.role = role;
    hello.token = "s";
    sides_[peer] = role == proto::Role::client ? Side::frontend : Side::backend;
    send(peer, proto::encode(0, hello));
  }
  void ready(std::uint64_t peer, const std::string& service,
             const std::vector<std::string>& methods = {"m"}) {
    hello(peer, proto::Role::worker);
    proto::Ready ready;
    ready.service = service;
    ready.supervisor = "s";
    for (const auto& method : methods) ready.methods[method];
    send(peer, proto::encode(epochs_[peer], ready));
  }
  void pool(std::uint64_t peer, const std::string& service) {
    hello(peer, proto::Role::supervisor);
    proto::Pool pool;
    pool.service = service;
    pool.state = proto::PoolState::serving;
    send(peer, proto::encode(epochs_[peer], pool));
  }
  void call(std::uint64_t peer, std::uint64_t id, const std::string& method, const std::string& text) {
    send(peer, encode_requests(epochs_[peer], 0, {{id, 1, 0, 0, method, body(text) + ext({})}}));
  }
  void lost(std::uint64_t peer) {
    core_.handle(event::PeerLost{PeerId{peer}}, now_);
    listen();
  }
  void dies(std::uint64_t worker, std::uint64_t supervisor) {
    proto::Obituary obituary;
    obituary.worker_epoch = epochs_.at(worker);
    obituary.signal = 11;
    send(supervisor, proto::encode(epochs_.at(supervisor), obituary));
    now_ += 1ms;
    lost(worker);
  }
  // The last that was refused, as a message or as a call.
  std::string refusal() { return std::exchange(refusal_, ""); }
  bool knows(std::uint64_t peer) const { return epochs_.contains(peer); }
  void check() const { CHECK(core_.check_invariants() == nullptr); }
  Core& core() { return core_; }

 private:
  void send(std::uint64_t peer, std::string bytes) {
    wire_.receive(sides_.at(peer), PeerId{peer}, frame(std::move(bytes)), {}, now_);
    core_.tick(now_);
    listen();
  }
  void listen() {
    for (const auto& message : core_.outbox().take_messages()) {
      const Heard heard = hear(message);
      if (heard.kind == proto::Kind::hello) epochs_[raw(message.peer)] = heard.epoch;
      if (heard.kind == proto::Kind::protocol_error) refusal_ = heard.error.message;
      for (const auto& reply : heard.replies) {
        proto::ErrorValue error;
        if (reply.status != Status::ok && !proto::decode_error(reply.value, error)) refusal_ = error.message;
      }
    }
    core_.outbox().take_notes();
  }

  TimePoint now_{1000h};
  CoreConfig config_ = [] {
    CoreConfig config;
    config.quarantine_after = 1;
    return config;
  }();
  Core core_{config_, now_};
  Wire wire_{core_};
  std::map<std::uint64_t, Side> sides_;
  std::map<std::uint64_t, std::uint64_t> epochs_;
  std::string refusal_;
};

}  // namespace

TEST_CASE("A peer more than the broker takes is refused, and taken when another has left") {
  Bench bench;
  for (std::uint64_t peer = 1; peer <= limits::kMaxPeers; ++peer) bench.hello(peer, proto::Role::client);
  CHECK(bench.refusal().empty());
  const auto more = limits::kMaxPeers + 1;
  bench.hello(more, proto::Role::client);
  CHECK(bench.refusal() == "this broker has as many peers as it takes");
  CHECK_FALSE(bench.knows(more));
  bench.lost(7);
  bench.hello(more, proto::Role::client);
  CHECK(bench.knows(more));
}

TEST_CASE("A worker more than the broker takes is refused") {
  Bench bench;
  for (std::uint64_t peer = 1; peer <= limits::kMaxWorkers; ++peer) bench.hello(peer, proto::Role::worker);
  CHECK(bench.refusal().empty());
  bench.hello(limits::kMaxWorkers + 1, proto::Role::worker);
  CHECK(bench.refusal() == "this broker has as many workers as it takes");
  bench.hello(limits::kMaxWorkers + 2, proto::Role::client);
  CHECK(bench.refusal().empty());
}

TEST_CASE("A service more than the broker takes is refused to workers, pools and callers") {
  Bench bench;
  for (std::uint64_t peer = 1; peer <= limits::kMaxServices; ++peer)
    bench.ready(peer, "s" + std::to_string(peer));
  CHECK(bench.refusal().empty());
  std::uint64_t peer = limits::kMaxServices;
  bench.ready(++peer, "more");
  CHECK(bench.refusal() == "this broker has as many services as it takes");
  bench.pool(++peer, "more");
  CHECK(bench.refusal() == "this broker has as many services as it takes");
  bench.hello(++peer, proto::Role::client);
  bench.call(peer, 1, "more.m", "x");
  CHECK(bench.refusal().starts_with("no service 'more'"));
  bench.ready(++peer, "s7");
  CHECK(bench.refusal().empty());
  bench.check();
}

TEST_CASE("Methods more than a service may have are not known") {
  Bench bench;
  std::vector<std::string> methods;
  for (std::size_t i = 0; i < limits::kMaxMethods; ++i) methods.push_back("m" + std::to_string(i));
  bench.ready(1, "svc", methods);
  CHECK(bench.refusal().empty());
  bench.ready(2, "svc", {"m0", "more"});
  CHECK(bench.refusal().empty());
  bench.hello(3, proto::Role::client);
  bench.call(3, 1, "svc.m0", "x");
  CHECK(bench.refusal().empty());
  bench.call(3, 2, "svc.more", "x");
  CHECK(bench.refusal().find("has no method 'more'") != std::string::npos);
}

TEST_CASE("A command more than the broker waits for is refused") {
  Bench bench;
  bench.pool(1, "svc");
  bench.hello(2, proto::Role::client);
  for (std::uint64_t id = 1; id <= limits::kMaxErrands; ++id) bench.call(2, id, "samovar.reload", "svc");
  CHECK(bench.refusal().empty());
  bench.call(2, 1'000, "samovar.reload", "svc");
  CHECK(bench.refusal() == "the broker waits for as many commands as it can; try again");
  bench.check();
}

TEST_CASE("Of the requests that killed workers the oldest is forgotten when there are too many") {
  Bench bench;
  bench.hello(1, proto::Role::client);
  bench.hello(2, proto::Role::supervisor);
  std::uint64_t peer = 2;
  std::uint64_t id = 0;
  const auto kill = [&](const std::string& text) {
    bench.ready(++peer, "svc");
    bench.call(1, ++id, "svc.m", text);
    bench.dies(peer, 2);
  };
  const auto is_refused = [&](const std::string& text) {
    bench.refusal();
    bench.call(1, ++id, "svc.m", text);
    return bench.refusal().starts_with("such a request");
  };
  for (std::size_t i = 0; i < limits::kMaxSuspects; ++i) kill("poison " + std::to_string(i));
  CHECK(is_refused("poison 0"));
  kill("poison more");
  CHECK(is_refused("poison 1"));
  CHECK(is_refused("poison more"));
  CHECK_FALSE(is_refused("poison 0"));
  CHECK(bench.core().take_poisoned().size() == limits::kMaxSuspects + 1);
  CHECK_FALSE(bench.core().has_poisoned());
}
