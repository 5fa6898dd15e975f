// The broker's core and several hostile peers. Input: a script, of which each step is a number and its operands.
#include <iterator>

#include "tests/broker/messages.hpp"
#include "tests/fuzz/core_stage.hpp"
#include "tests/fuzz/frames.hpp"

namespace samovar::fuzz {
namespace {

using namespace samovar::broker;
using namespace samovar::test;
using namespace std::chrono_literals;
using proto::Kind;

constexpr std::array<std::string_view, 3> kServices{"svc", "other.svc", "new"};
constexpr std::array<std::string_view, 3> kTokens{"", "s", "t"};
constexpr std::array<std::string_view, 5> kMethods{"plain", "twice", "pure", "stream", "cancel"};
constexpr std::array<std::string_view, 4> kOwnMethods{"samovar.ping", "samovar.status", "samovar.crashes",
                                                      "samovar.errors"};
constexpr std::array<Duration, 8> kTimes{0us, 1us, 500us, 30ms, 110ms, 1s, 10s, 61s};
constexpr std::array<std::uint64_t, 4> kTimeouts{0, 1, 500'000, 90'000'000};

class Play {
 public:
  explicit Play(Script script) : script_(script) {}

  void run() {
    constexpr Act kActs[] = {&Play::hello,  &Play::ready,  &Play::request, &Play::reply,    &Play::items,
                             &Play::window, &Play::cancel, &Play::drain,   &Play::pool,     &Play::obituary,
                             &Play::done,   &Play::time,   &Play::lose,    &Play::raw,      &Play::dropped,
                             &Play::saved,  &Play::admin,  &Play::failed,  &Play::greet_all};
    for (int steps = 0; !script_.done() && steps < 200; ++steps) {
      const auto act = script_.byte();
      // Once only, and rarely: there is little to see behind it.
      if (act == 255) {
        stage_.happen(event::Shutdown{});
      } else {
        (this->*kActs[act % std::size(kActs)])();
      }
    }
    stage_.finish();
  }

 private:
  using Act = void (Play::*)();

  std::size_t any_peer() { return script_.below(CoreStage::kPeers); }
  std::size_t client() { return script_.below(CoreStage::kClients); }
  std::size_t worker() {
    return CoreStage::kClients +
           script_.below(CoreStage::kPeers - CoreStage::kClients - CoreStage::kSupervisors);
  }
  std::size_t supervisor() { return CoreStage::kPeers - 1 - script_.below(CoreStage::kSupervisors); }

  void say_hello(std::size_t peer, proto::Role role) {
    proto::PeerHello hello;
    hello.role = role;
    hello.nonce = ++nonce_;
    hello.clock = peer % 2 == 0 ? "here" : "";
    if (role == proto::Role::supervisor) hello.token = kTokens[1 + peer % 2];
    stage_.send(peer, proto::encode(0, hello));
  }
  void hello() {
    const auto peer = any_peer();
    say_hello(peer, static_cast<proto::Role>(script_.below(3)));
  }
  void greet_all() {
    for (std::size_t i = 0; i < CoreStage::kPeers; ++i) {
      say_hello(i, i < CoreStage::kClients                           ? proto::Role::client
                   : i < CoreStage::kPeers - CoreStage::kSupervisors ? proto::Role::worker
                                                                     : proto::Role::supervisor);
    }
  }

  void ready() {
    const auto from = worker();
    const auto bits = script_.byte();
    proto::Ready ready;
    ready.service = script_.one_of(kServices);
    for (const auto name : kMethods) {
      auto& method = ready.methods[std::string(name)];
      method.idempotent = name == "twice";
      method.pure = name == "pure";
      method.stream = name == "stream";
      method.cancel = name == "cancel" || (bits & 1) != 0;
      method.timeout_us = (bits & 2) != 0 ? 700'000 : 0;
      method.priority = (bits & 4) != 0 ? proto::Priority::bulk : proto::Priority::normal;
    }
    if ((bits & 8) != 0) ready.methods.erase("plain");
    ready.generation = bits >> 4 & 1;
    ready.supervisor = kTokens[(bits >> 5) % kTokens.size()];
    const auto load = script_.byte();
    ready.credit = 1 + (load & 15u);
    ready.concurrency = 1 + (load >> 4 & 3u);
    stage_.send(from, proto::encode(stage_.peer(from).epoch, ready));
  }

  void request() {
    const auto from = client();
    const auto how = script_.byte();
    std::vector<RequestSpec> specs;
    std::size_t attached = 0;
    for (std::size_t count = 1 + (how & 3u); count > 0; --count) {
      RequestSpec spec;
      const auto what = script_.byte();
      spec.id = what & 15u;
      spec.attempt = static_cast<std::uint8_t>(1 + (what >> 4 & 1u));
      spec.timeout_us = kTimeouts[what >> 6];
      const auto flags = script_.byte();
      spec.flags = flags & 15u;
      spec.method = std::string(kServices[(flags >> 4) % kServices.size()]) + "." +
                    std::string(script_.one_of(kMethods));
      if ((flags >> 6) == 3) spec.method = script_.bytes();
      const auto extensions = script_.byte();
      std::map<std::string, std::uint64_t> entries;
      if ((extensions & 1) != 0) entries["attachments"] = 1;
      if ((extensions & 2) != 0) entries["priority"] = extensions >> 4 & 3u;
      if ((extensions & 4) != 0) entries["window"] = extensions >> 4;
      attached += extensions & 1u;
      const std::string text((extensions & 8) != 0 ? 1500 : extensions >> 6, 'x');
      spec.tail = body(text) + ext(entries);
      specs.push_back(std::move(spec));
    }
    const std::uint64_t sent_us = (how & 4) != 0 ? 3'599'000'000'000 + how : 0;
    stage_.send(from, encode_requests(stage_.peer(from).epoch, sent_us, specs), attached);
  }

  void reply() {
    const auto what = script_.byte();
    const auto to = stage_.dispatched(what & 7u);
    const auto how = script_.byte();
    const std::string value = how % 4 == 0 ? str("y") : proto::encode_error({});
    const std::size_t attached = what >> 7;
    const std::string tail = value + ext(attached ? std::map<std::string, std::uint64_t>{{"attachments", 1}}
                                                  : std::map<std::string, std::uint64_t>{});
    const auto status = how % 4 == 0 ? Status::ok : static_cast<Status>(how % 14);
    const ReplySpec spec{to.id, static_cast<std::uint8_t>(to.attempt + (what >> 6 & 1)), status,
                         std::uint64_t{how} * 50, tail};
    const auto from = (what & 8) != 0 ? any_peer() : to.peer;
    stage_.send(from, encode_replies(stage_.peer(from).epoch, {spec}), attached);
  }

  void items() {
    const auto what = script_.byte();
    const auto to = stage_.dispatched(what & 7u);
    std::vector<ItemSpec> specs;
    auto& next = next_item_[to.id];
    for (std::size_t count = 1 + (what >> 6); count > 0; --count) {
      specs.push_back({to.id, to.attempt, next++, str("i") + ext({})});
    }
    if ((what & 16) != 0) ++next;
    const auto from = (what & 8) != 0 ? any_peer() : to.peer;
    stage_.send(from, encode_items(stage_.peer(from).epoch, specs));
  }

  void window() {
    const auto from = any_peer();
    const std::uint64_t id = script_.below(16);
    stage_.send(from, proto::encode_windows(stage_.peer(from).epoch, {{id, script_.byte()}}));
  }

  void cancel() {
    const auto from = any_peer();
    const auto first = script_.byte();
    stage_.send(from, proto::encode_ids(Kind::cancel, stage_.peer(from).epoch, {first & 15u, first >> 4}));
  }

  void drain() {
    const auto from = any_peer();
    stage_.send(from, proto::encode(Kind::drain, stage_.peer(from).epoch, proto::Notice{}));
  }

  void pool() {
    const auto from = supervisor();
    proto::Pool pool;
    pool.service = script_.one_of(kServices);
    pool.state = static_cast<proto::PoolState>(script_.below(4));
    pool.reason = "because";
    stage_.send(from, proto::encode(stage_.peer(from).epoch, pool));
  }

  void obituary() {
    const auto from = supervisor();
    const auto of = worker();
    const auto how = script_.byte();
    proto::Obituary obituary;
    obituary.worker_epoch = stage_.peer(of).epoch;
    obituary.running = (how & 1) != 0;
    if ((how & 2) != 0) obituary.signal = 9;
    if ((how & 4) != 0) obituary.last_started = stage_.dispatched(how >> 4 & 7u).id;
    if ((how & 8) != 0) obituary.last_started = how >> 4;
    stage_.send(from, proto::encode(stage_.peer(from).epoch, obituary));
  }

  void done() {
    const auto how = script_.byte();
    const auto to = stage_.commanded(how & 3u);
    proto::CommandDone done;
    done.id = to.id + (how >> 7);
    done.ok = (how & 4) != 0;
    done.message = "done";
    const auto from = (how & 8) != 0 ? any_peer() : to.peer;
    stage_.send(from, proto::encode(stage_.peer(from).epoch, done));
  }

  void time() {
    const auto how = script_.byte();
    (how & 8) != 0 ? stage_.pass_to_next_deadline() : stage_.pass(kTimes[how & 7u]);
  }

  void lose() { stage_.lose(any_peer()); }

  // A frame as it stands there, under the peer's epoch or its own.
  void raw() {
    const auto from = any_peer();
    const auto how = script_.byte();
    const auto bytes = script_.long_bytes();
    stage_.send(from, (how & 1) != 0 ? with_epoch(bytes, stage_.peer(from).epoch) : std::string(bytes),
                how >> 5);
  }

  void dropped() {
    const auto from = client();
    const auto id = script_.byte();
    const std::vector<std::uint64_t> ids{id & 15u, id >> 4};
    stage_.happen(event::ItemsDropped{stage_.peer(from).id, ids});
    stage_.happen(event::RepliesDropped{1});
  }

  void saved() {
    for (const auto& poisoned : stage_.poisoned()) stage_.happen(event::PoisonSaved{poisoned.key, "file"});
    stage_.happen(event::WallClock{std::uint64_t{script_.byte()} << 40});
  }

  // Calls of the broker's own methods.
  void admin() {
    const auto from = client();
    const auto how = script_.byte();
    const std::string service = str(kServices[how % kServices.size()]);
    RequestSpec spec{how >> 4, 1, 0, kTimeouts[how >> 2 & 3u], "", ""};
    if ((how & 1) == 0) {
      spec.method = script_.one_of(kOwnMethods);
      spec.tail = std::string("\x90\xc0\xc0", 3);
    } else if ((how & 2) == 0) {
      spec.method = "samovar.reload";
      spec.tail = "\x91" + service + "\xc0\xc0";
    } else {
      spec.method = "samovar.scale";
      spec.tail = "\x92" + service + "\x02\xc0\xc0";
    }
    stage_.send(from, encode_requests(stage_.peer(from).epoch, 0, {spec}));
  }

  void failed() {
    const auto how = script_.byte();
    stage_.happen(event::PoolFailed{std::string(kServices[how % kServices.size()]),
                                    (how & 4) != 0 ? "no such module" : ""});
  }

  Script script_;
  CoreStage stage_;
  std::uint64_t nonce_ = 0;
  std::map<std::uint64_t, std::uint64_t> next_item_;  // by dispatch id
};

}  // namespace
}  // namespace samovar::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  samovar::fuzz::Play(samovar::fuzz::Script(data, size)).run();
  return 0;
}
