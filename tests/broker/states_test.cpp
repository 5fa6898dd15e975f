// Every state of a worker and of a request meets every event: PROTOCOL.md, section 6, as two tables.
#include <functional>
#include <map>
#include <memory>
#include <msgpack.hpp>

#include "broker/core/core.hpp"
#include "broker/core/wire.hpp"
#include "tests/broker/messages.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace samovar::broker;
using namespace samovar::test;
using namespace std::chrono_literals;

namespace {

// One worker `w` with its supervisor `s` and a foreign one, a client `c` that has at most request 1, and an observer.
class Bench {
 public:
  Bench() {
    for (const auto peer : {kSupervisor, kForeign, kClient, kObserver}) hello(peer);
    send(kSupervisor, proto::encode(epochs_[kSupervisor], pool()));
  }

  enum Who : std::uint64_t { kSupervisor = 1, kForeign, kClient, kObserver, kWorker };

  void hello(Who who) {
    proto::PeerHello hello;
    hello.nonce = ++nonce_;
    hello.role = who == kWorker                       ? proto::Role::worker
                 : who == kClient || who == kObserver ? proto::Role::client
                                                      : proto::Role::supervisor;
    hello.name = who == kWorker ? "w" : "";
    hello.token = who == kSupervisor ? "s" : "foreign";
    if (who == kClient) outcomes_.clear(), requested_.clear();
    send(who, proto::encode(0, hello));
  }
  void ready() {
    proto::Ready ready;
    ready.service = "svc";
    ready.methods["m"];
    ready.credit = 4;
    ready.supervisor = "s";
    send(kWorker, proto::encode(epochs_[kWorker], ready));
  }
  void drain() { send(kWorker, proto::encode(proto::Kind::drain, epochs_[kWorker], proto::Notice{})); }
  void request(std::uint64_t id = 1) {
    requested_[id] += 1;
    send(kClient,
         encode_requests(epochs_[kClient], 0, {{id, 1, 0, 10'000'000, "svc.m", body("x") + ext({})}}));
  }
  void cancel() { send(kClient, proto::encode_ids(proto::Kind::cancel, epochs_[kClient], {1})); }
  void reply(std::uint8_t more_attempt = 0, std::uint64_t more_epoch = 0) {
    const auto attempt = static_cast<std::uint8_t>(last_attempt_ + more_attempt);
    send(kWorker, encode_replies(epochs_[kWorker] + more_epoch,
                                 {{last_dispatch_, attempt, Status::ok, 5, str("y") + ext({})}}));
  }
  void lost(Who who) {
    turn([&] { core_.handle(event::PeerLost{PeerId{who}}, now_); });
  }
  void obituary(Who from, std::optional<std::uint64_t> last_started = std::nullopt) {
    proto::Obituary obituary;
    obituary.worker_epoch = epochs_[kWorker];
    obituary.signal = 9;
    obituary.last_started = last_started;
    send(from, proto::encode(epochs_[from], obituary));
  }
  void advance(Duration by) {
    const auto until = now_ + by;
    while (core_.next_deadline() && *core_.next_deadline() <= until) {
      now_ = std::max(now_, *core_.next_deadline());
      turn([] {});
    }
    now_ = until;
    turn([] {});
  }
  void shutdown() {
    turn([&] { core_.handle(event::Shutdown{}, now_); });
  }
  void garbage(Who who) { send(who, "\xc1"); }

  // As `samovar status` shows it; "gone" when it does not.
  std::string worker_state() {
    status_.clear();
    send(kObserver,
         encode_requests(epochs_[kObserver], 0, {{9, 1, 0, 0, "samovar.status", body("") + ext({})}}));
    const auto handle = msgpack::unpack(status_.data(), status_.size());
    const auto map = handle.get().as<std::map<std::string, msgpack::object>>();
    for (const auto& object : map.at("services").as<std::vector<msgpack::object>>()) {
      const auto service = object.as<std::map<std::string, msgpack::object>>();
      for (const auto& worker :
           service.at("workers").as<std::vector<std::map<std::string, msgpack::object>>>()) {
        return worker.at("state").as<std::string>();
      }
    }
    return core_.sizes().peers == peers_without_worker() ? "gone" : "greeted";
  }

  std::string request_state() {
    const auto sizes = core_.sizes();
    if (sizes.queued > 0) return "queued";
    if (sizes.in_flight > 0) return client_waits() ? "in flight" : "abandoned";
    return "ended";
  }

  int outcomes() const { return outcomes_.contains(1) ? outcomes_.at(1) : 0; }
  // One outcome for each request of a client that is still there.
  bool all_heard() const { return !clients_here_ || outcomes_ == requested_; }
  void client_left() { clients_here_ = false; }

  // However a run ended: everybody leaves, and nothing is kept.
  void leave() {
    for (const auto who : {kClient, kObserver, kWorker, kSupervisor, kForeign}) lost(who);
    advance(1min);
    const auto sizes = core_.sizes();
    CHECK(sizes.peers + sizes.requests + sizes.queued + sizes.in_flight + sizes.timers == 0);
  }

 private:
  static proto::Pool pool() {
    proto::Pool pool;
    pool.service = "svc";
    return pool;
  }
  std::size_t peers_without_worker() const { return clients_here_ ? 4 : 3; }
  bool client_waits() const { return clients_here_ && outcomes() == 0; }

  void send(Who who, std::string bytes) {
    const Side side = who == kClient || who == kObserver ? Side::frontend : Side::backend;
    turn([&] { wire_.receive(side, PeerId{who}, frame(std::move(bytes)), {}, now_); });
  }

  void turn(const std::function<void()>& act) {
    act();
    core_.tick(now_);
    const char* broken = core_.check_invariants();
    INFO((broken ? broken : ""));
    CHECK(broken == nullptr);
    core_.outbox().take_notes();
    for (const auto& message : core_.outbox().take_messages()) {
      const Heard heard = hear(message);
      CHECK(heard.malformed == nullptr);
      if (heard.kind == proto::Kind::hello) epochs_[static_cast<Who>(raw(message.peer))] = heard.epoch;
      for (const auto& item : heard.requests) {
        last_dispatch_ = item.id;
        last_attempt_ = item.attempt;
      }
      for (const auto& item : heard.replies) {
        if (raw(message.peer) == kObserver) {
          status_ = item.value;
        } else {
          CHECK(++outcomes_[item.id] <= requested_[item.id]);
        }
      }
    }
  }

  TimePoint now_{1000h};
  Core core_{CoreConfig{}, TimePoint(999h)};
  Wire wire_{core_};
  std::map<Who, std::uint64_t> epochs_;
  std::uint64_t nonce_ = 0;
  std::uint64_t last_dispatch_ = 12345;
  std::uint8_t last_attempt_ = 1;
  std::map<std::uint64_t, int> outcomes_;   // by id
  std::map<std::uint64_t, int> requested_;  // by id: it may be used again
  bool clients_here_ = true;
  std::string status_;
};

struct Step {
  const char* name;
  std::function<void(Bench&)> act;
};

const std::vector<Step> kWorkerStates{
    {"gone", [](Bench&) {}},
    {"greeted", [](Bench& b) { b.hello(Bench::kWorker); }},
    {"ready", [](Bench& b) { b.hello(Bench::kWorker), b.ready(); }},
    {"ready, with a request", [](Bench& b) { b.hello(Bench::kWorker), b.ready(), b.request(); }},
    {"draining, with a request",
     [](Bench& b) { b.hello(Bench::kWorker), b.ready(), b.request(), b.drain(); }},
    {"dying, lost",
     [](Bench& b) { b.hello(Bench::kWorker), b.ready(), b.request(), b.lost(Bench::kWorker); }},
    {"dying, obituary",
     [](Bench& b) { b.hello(Bench::kWorker), b.ready(), b.request(), b.obituary(Bench::kSupervisor); }},
    {"gone, buried",
     [](Bench& b) {
       b.hello(Bench::kWorker), b.ready(), b.request(), b.lost(Bench::kWorker), b.advance(100ms);
     }},
};

const std::vector<Step> kEvents{
    {"HELLO", [](Bench& b) { b.hello(Bench::kWorker); }},
    {"READY", [](Bench& b) { b.ready(); }},
    {"DRAIN", [](Bench& b) { b.drain(); }},
    {"its connection breaks", [](Bench& b) { b.lost(Bench::kWorker); }},
    {"an obituary", [](Bench& b) { b.obituary(Bench::kSupervisor); }},
    {"100 ms pass", [](Bench& b) { b.advance(100ms); }},
    // None of these changes the state of a worker.
    {"REPLY", [](Bench& b) { b.reply(); }},
    {"REPLY to another attempt", [](Bench& b) { b.reply(1); }},
    {"REPLY under another epoch", [](Bench& b) { b.reply(0, 1); }},
    {"a foreign obituary", [](Bench& b) { b.obituary(Bench::kForeign); }},
    {"REQUEST", [](Bench& b) { b.request(2); }},
    {"REQUEST 1", [](Bench& b) { b.request(); }},
    {"CANCEL", [](Bench& b) { b.cancel(); }},
    {"the client says HELLO", [](Bench& b) { b.hello(Bench::kClient); }},
    {"the client's connection breaks", [](Bench& b) { b.lost(Bench::kClient), b.client_left(); }},
    {"malformed", [](Bench& b) { b.garbage(Bench::kWorker), b.garbage(Bench::kClient); }},
    {"shutdown", [](Bench& b) { b.shutdown(); }},
};
constexpr std::size_t kChanging = 6;

// Rows: states; columns: the first six events.
const std::map<std::string, std::array<const char*, kChanging>> kNext{
    // state                       HELLO      READY       DRAIN       breaks    obituary   100 ms
    {"gone", {"greeted", "gone", "gone", "gone", "gone", "gone"}},
    {"greeted", {"greeted", "ready", "greeted", "gone", "greeted", "greeted"}},
    {"ready", {"greeted", "ready", "draining", "dying", "dying", "ready"}},
    {"ready, with a request", {"greeted", "ready", "draining", "dying", "dying", "ready"}},
    {"draining, with a request", {"greeted", "draining", "draining", "dying", "dying", "draining"}},
    {"dying, lost", {"greeted", "dying", "dying", "dying", "gone", "gone"}},
    {"dying, obituary", {"greeted", "dying", "dying", "gone", "dying", "gone"}},
    {"gone, buried", {"greeted", "gone", "gone", "gone", "gone", "gone"}},
};

}  // namespace

TEST_CASE("Every state of a worker meets every event") {
  for (const auto& state : kWorkerStates) {
    for (std::size_t i = 0; i < kEvents.size(); ++i) {
      INFO(state.name << " + " << kEvents[i].name);
      Bench bench;
      state.act(bench);
      const auto before = bench.worker_state();
      kEvents[i].act(bench);
      CHECK(bench.worker_state() == (i < kChanging ? kNext.at(state.name)[i] : before));
      bench.leave();
    }
  }
}

TEST_CASE("Every state of a worker meets every two events, and what follows") {
  for (const auto& state : kWorkerStates) {
    for (const auto& first : kEvents) {
      for (const auto& second : kEvents) {
        INFO(state.name << " + " << first.name << " + " << second.name);
        Bench bench;
        state.act(bench);
        first.act(bench);
        second.act(bench);
        bench.advance(11s);  // every deadline passes
        CHECK(bench.all_heard());
        bench.leave();
      }
    }
  }
}

TEST_CASE("Every state of a request meets every event") {
  const std::vector<Step> states{
      {"none", [](Bench& b) { b.hello(Bench::kWorker); }},
      {"queued", [](Bench& b) { b.hello(Bench::kWorker), b.request(); }},
      {"in flight", [](Bench& b) { b.hello(Bench::kWorker), b.request(), b.ready(); }},
      {"abandoned", [](Bench& b) { b.hello(Bench::kWorker), b.request(), b.ready(), b.cancel(); }},
      {"abandoned, client gone",
       [](Bench& b) {
         b.hello(Bench::kWorker), b.request(), b.ready(), b.lost(Bench::kClient), b.client_left();
       }},
      {"ended", [](Bench& b) { b.hello(Bench::kWorker), b.request(), b.ready(), b.reply(); }},
  };
  const std::vector<Step> events{
      {"a worker is ready", [](Bench& b) { b.ready(); }},
      {"CANCEL", [](Bench& b) { b.cancel(); }},
      {"deadline", [](Bench& b) { b.advance(10s); }},
      {"client gone", [](Bench& b) { b.lost(Bench::kClient), b.client_left(); }},
      {"REPLY", [](Bench& b) { b.reply(); }},
      {"worker gone", [](Bench& b) { b.lost(Bench::kWorker), b.advance(100ms); }},
      {"worker gone, never begun",
       [](Bench& b) { b.lost(Bench::kWorker), b.obituary(Bench::kSupervisor, 0); }},
      {"shutdown", [](Bench& b) { b.shutdown(); }},
      {"shutdown, 10 s", [](Bench& b) { b.shutdown(), b.advance(10s); }},
  };
  struct Row {
    const char* state;
    std::array<const char*, 9> next;
    std::array<int, 9> outcomes;  // that the caller has heard then
  };
  // columns: ready, CANCEL, deadline, client gone, REPLY, worker gone, never begun, shutdown, shutdown 10 s
  const std::vector<Row> rows{
      {"none",
       {"ended", "ended", "ended", "ended", "ended", "ended", "ended", "ended", "ended"},
       {0, 0, 0, 0, 0, 0, 0, 0, 0}},
      {"queued",
       {"in flight", "ended", "ended", "ended", "queued", "queued", "queued", "ended", "ended"},
       {0, 1, 1, 0, 0, 0, 0, 1, 1}},
      {"in flight",
       {"in flight", "abandoned", "abandoned", "abandoned", "ended", "ended", "queued", "in flight", "ended"},
       {0, 1, 1, 0, 1, 1, 0, 0, 1}},
      {"abandoned",
       {"abandoned", "abandoned", "abandoned", "abandoned", "ended", "ended", "ended", "abandoned", "ended"},
       {1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {"abandoned, client gone",
       {"abandoned", "abandoned", "abandoned", "abandoned", "ended", "ended", "ended", "abandoned", "ended"},
       {0, 0, 0, 0, 0, 0, 0, 0, 0}},
      {"ended",
       {"ended", "ended", "ended", "ended", "ended", "ended", "ended", "ended", "ended"},
       {1, 1, 1, 1, 1, 1, 1, 1, 1}},
  };
  for (std::size_t row = 0; row < states.size(); ++row) {
    for (std::size_t column = 0; column < events.size(); ++column) {
      INFO(states[row].name << " + " << events[column].name);
      Bench bench;
      states[row].act(bench);
      events[column].act(bench);
      CHECK(bench.request_state() == std::string(rows[row].next[column]));
      CHECK(bench.outcomes() == rows[row].outcomes[column]);
      bench.leave();
    }
  }
}
