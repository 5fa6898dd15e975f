// One simulated world: the real broker and real client sessions, models of workers and supervisors, a network and a
// ledger. It is given a seed, runs a random workload with random faults, and says what promise broke, if any did.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/core/core.hpp"
#include "broker/core/wire.hpp"
#include "tests/broker/messages.hpp"
#include "tests/sim/clock.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/turns.hpp"
#include "tests/support/one_link.hpp"

namespace samovar::sim {

// How the reader of a stream takes it: stops to take, or cancels, after so many items.
enum class Reader { quick, slow, stops, cancels };

// A call from its submission to its outcome, and how often it was run.
struct CallRecord {
  std::string echo;  // names it
  std::string body;  // in its body and in its result: the same, or what equal calls of a pure method share
  std::string service;
  std::string client;
  std::uint64_t life = 0;  // of that client
  bool may_run_twice = false;
  bool differs = false;  // its caller was built against other types than its workers have
  bool hedged = false;   // its client may send it twice at once
  bool cancelled = false;
  bool abandoned = false;  // its client crashed
  Time deadline{};
  client::CallPtr call;
  int outcomes = 0;
  int runs = 0;

  // As seen at the broker: the order within one connection, service and class.
  std::string line;
  std::string turn_class;  // service and class
  std::uint64_t arrival = 0;
  std::uint64_t dispatch_id = 0;  // the last
  std::uint64_t worker_epoch = 0;
  std::uint8_t attempt = 1;
  bool dispatched = false;
  bool sent_again = false;  // by its client, to the same broker

  // Of a stream.
  bool is_stream() const { return call && (call->flags & proto::kStream) != 0; }
  Reader reader = Reader::quick;
  std::uint64_t reads = 0;   // see Reader
  std::uint64_t window = 0;  // what its reader has said at most
  std::uint64_t items = 0;   // that came
  std::uint64_t length = 0;  // that its worker sends, if nothing stops it
  bool lied_about = false;   // its worker broke the protocol

  bool is_last = false;  // made when nothing breaks any more: it must be served
};

struct ServiceSpec {
  std::string name;
  bool supervised = false;
  Duration slowest{};
};

class Supervisor;

// Workers follow one another in their places.
struct WorkerSpec {
  ServiceSpec service;
  Supervisor* supervisor = nullptr;
  std::uint64_t place = 0;
  std::uint64_t generation = 0;
  std::string name() const { return "w" + std::to_string(place) + "." + std::to_string(generation); }
  WorkerSpec next() const { return {service, supervisor, place, generation + 1}; }
};

// The broker without its sockets: turns of the loop over what has arrived.
class BrokerHost {
 public:
  explicit BrokerHost(World& world);

  bool up() const { return core_ != nullptr; }
  const broker::Core& core() const { return *core_; }
  void start(broker::CoreConfig config);
  void arrive(broker::Side side, broker::PeerId peer, broker::FramePtr frame, broker::Frames attachments);
  void lost(broker::PeerId peer);
  void shutdown();
  void crash();
  void pause(Duration length);
  void ran(const std::string& service, double us) { turns_.ran(service, us); }

 private:
  struct Arrived {
    broker::Side side{};
    broker::PeerId peer{};
    broker::FramePtr frame;  // empty: the peer is lost
    broker::Frames attachments;
  };
  void plan_turn(Time at);
  void turn();
  void saw_arrival(const Arrived& arrived);
  void saw_answers(const std::vector<broker::Message>& messages);
  void saw_dispatches(const std::vector<broker::Message>& messages);
  void check_limits();
  void check_early_ends(const std::vector<broker::Message>& messages);
  void saw_dispatch(CallRecord& record, std::uint64_t id, std::uint64_t epoch, std::uint8_t attempt);
  void tally();

  World& world_;
  Random random_;
  std::unique_ptr<broker::Core> core_;
  std::unique_ptr<broker::Wire> wire_;
  std::deque<Arrived> inbox_;
  Time paused_until_{};
  Time turn_at_ = Time::max();
  std::uint64_t turn_serial_ = 0;
  std::uint64_t arrivals_ = 0;
  std::uint64_t arrivals_before_ = 0;  // this run of the broker
  Turns turns_;
  std::map<std::pair<broker::PeerId, std::uint64_t>, CallRecord*>
      asked_;  // by the client's connection and id; what has not been answered
  std::vector<std::pair<broker::PeerId, std::uint64_t>> cancelled_;  // in this turn: likewise
  std::vector<CallRecord*> new_;                                     // of this turn
  broker::Core::Sizes sizes_{};                                      // after the last turn
  std::uint64_t queued_again_ = 0;                                   // until then
  std::map<broker::PeerId, std::uint64_t> epochs_;                   // of workers
  std::map<std::uint64_t, Time> dying_until_;                        // by epoch: those that are lost
  std::set<std::uint64_t> obituaries_;                               // epochs
  std::map<std::uint64_t, Time> buried_;  // by epoch: the turn that did it, or a later one
  struct First {
    Time time;
    std::uint64_t arrival;
  };
  std::map<std::string, std::vector<First>> first_dispatches_;                  // by line
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> requeued_to_;  // by dead worker and line
};

class ClientHost final : public Peer {
 public:
  ClientHost(World& world, std::string name);
  void connected() override;
  void disconnected() override;
  void message(const broker::Message& message) override;

  // Now, or when it goes on.
  void run(std::function<void()> act);
  void submit(CallRecord& record);
  void cancel(CallRecord& record);
  void widen(CallRecord& record, std::uint64_t window);
  // Its process ends, and another one begins, which knows nothing of its calls.
  void crash();
  void pause(Duration length);

  Time resumed() const { return resumed_; }  // after a pause
  std::size_t outstanding() const { return session_->outstanding(); }
  const client::SessionCounters& counters() const { return session_->counters(); }

 private:
  void begin();
  void pump();
  void epoch_is_over();
  void hear(const std::string& frame, const broker::Frames& attachments = {});
  void heard(const test::Heard& heard);
  void said(const broker::Message& message);
  void lie_before(const test::Heard& truth);
  void lie_after(const test::Heard& truth);

  Random random_;
  std::optional<client::OneLink> session_;
  std::uint64_t epoch_ = 0;     // 0: none
  bool broker_drains_ = false;  // it has said so
  struct Sent {
    std::uint64_t epoch = 0;
    std::uint8_t attempt = 0;
  };
  std::map<std::uint64_t, Sent> sent_;  // by the call's id: the last time
  std::set<std::uint64_t> cancelled_;   // of which the broker must be told
  std::uint64_t lives_ = 0;
  bool paused_ = false;
  Time resumed_{};
  std::vector<std::function<void()>> todo_;  // what came while it was stopped
  std::uint64_t wake_serial_ = 0;
};

// A worker process, as PROTOCOL.md has it: bundles run in order, the board is written before each item, replies leave
// in groups.
class Worker final : public Peer {
 public:
  Worker(World& world, const WorkerSpec& spec);
  void connected() override;
  void disconnected() override;
  void message(const broker::Message& message) override;

  void crash();
  void pause(Duration length);
  void drain();

  const WorkerSpec& spec() const { return spec_; }
  std::uint64_t epoch() const { return last_epoch_; }
  std::uint64_t last_started() const { return last_started_; }
  std::size_t held() const;
  bool was_running() const { return !running_.empty(); }

 private:
  struct Item {
    std::uint64_t epoch = 0;
    std::uint64_t id = 0;
    std::uint8_t attempt = 1;
    std::string echo;
    std::string method;
    Time deadline{};
    std::uint32_t attachments = 0;
    Time began{};
    bool is_stream = false;
    bool cancelled = false;
    bool rests = false;  // its reader takes no more for now
    std::uint64_t window = 0;
    std::uint64_t seq = 0;  // the next item's
  };
  struct Result {
    test::ReplySpec reply;
    broker::Frames attachments;
  };

  void hello();
  void drop_epoch();
  void take(const broker::Message& message);
  void run_next();
  void finish_in(Duration delay, std::uint64_t run);
  void finished(std::uint64_t run);
  void end(std::uint64_t run, Status status);
  Item* find(std::uint64_t id);
  void widened(const std::vector<proto::Window>& windows);
  void cancelled(const std::vector<std::uint64_t>& ids);
  void wake_streams();
  void stream_on(std::uint64_t run);
  void step_stream(std::uint64_t run);
  void answer(const Item& item, Status status, std::uint64_t run_us);
  void flush();
  void lie();
  void leave_when_done();

  const WorkerSpec spec_;
  Random random_;
  const std::uint32_t credit_;
  const std::uint32_t concurrency_;
  const std::size_t flush_every_;
  std::uint64_t nonce_ = 0;
  std::uint64_t epoch_ = 0;       // 0: none
  std::uint64_t last_epoch_ = 0;  // for the obituary
  bool draining_ = false;
  bool drained_ = false;
  bool paused_ = false;
  std::vector<std::uint64_t> finished_while_paused_;
  std::deque<broker::Message> unread_;  // while it is stopped
  std::deque<Item> queue_;
  std::map<std::uint64_t, Item> running_;  // by the number of the run
  std::uint64_t runs_ = 0;
  std::uint64_t last_started_ = 0;  // the board
  std::vector<Result> results_;
};

class Supervisor final : public Peer {
 public:
  Supervisor(World& world, std::string name, ServiceSpec service);
  void start();
  void crash();
  std::string token() const { return name_ + "." + std::to_string(lives_); }
  void connected() override;
  void disconnected() override { epoch_ = 0; }
  void message(const broker::Message& message) override;

  // One of its workers has ended: crashed, or drained (exit_code 0).
  void reap(const Worker& worker, bool crashed);
  void say(proto::PoolState state);

 private:
  void hello();

  const ServiceSpec service_;
  proto::PoolState state_ = proto::PoolState::loading;
  Random random_;
  std::uint64_t lives_ = 0;
  std::uint64_t nonce_ = 0;
  std::uint64_t epoch_ = 0;
  std::vector<proto::Obituary> unsent_;
};

// What a run went through, added up over all of them: a simulator that never gets somewhere proves nothing about it.
struct Tally {
  std::map<std::string, std::uint64_t> counts;
  void add(const std::string& what, std::uint64_t count = 1) { counts[what] += count; }
};

// What may be left out of a world, by name: calls, workers, faults, bad habits. The others stay as they are.
using Parts = std::set<std::string>;

struct Plan {
  std::uint64_t seed = 0;
  std::optional<Parts> only;     // empty: all of them
  std::size_t trace_length = 0;  // it remembers so many of its last events
  // A promise more, for tests of the simulator: what is broken by this outcome, or empty.
  std::function<std::string(const CallRecord&, const client::Outcome&)> rule;
};

class World {
 public:
  World(const Plan& plan, Tally& tally);
  ~World();

  // What broke, or empty.
  std::string run();
  const std::deque<std::string>& last_events() const { return events_; }
  // Those that it took.
  const Parts& parts() const { return parts_; }

  // For those who live in it.
  std::uint64_t seed() const { return plan_.seed; }
  bool takes(const char* part) { return !plan_.only || picks(part); }
  bool takes(const char* part, std::uint64_t index) {
    return !plan_.only || picks(part + (" " + std::to_string(index)));
  }
  Scheduler& clock() { return clock_; }
  Network& network() { return network_; }
  BrokerHost& broker() { return broker_; }
  Tally& tally() { return tally_; }

  CallRecord* find(const std::string& echo);
  const CallRecord* any_call(Random& random) const { return &calls_[random.below(calls_.size())]; }
  void began(const std::string& body, const std::string& worker);
  // A call with this body was sent to the worker with this epoch.
  void dispatched(const std::string& body, std::uint64_t epoch) { dispatched_to_[body].insert(epoch); }
  // That worker crashed. Its broker may take for what ran whatever it has not got the reply of, be that on its way to the
  // worker, or back, or lost.
  void died(std::uint64_t epoch) { died_.insert(epoch); }
  // Of calls of pure methods, which share their bodies.
  static bool is_shared(const std::string& body) { return body.starts_with("look "); }
  std::uint32_t deaths_of(const std::string& body) const;
  void completed(const client::Completion& completion, ClientHost& client);
  void abandon_calls(const ClientHost& client);
  // An item of a stream.
  void arrived(const client::Completion& item, ClientHost& client);
  void worker_lost(const std::string& service) { worker_losses_[service] += 1; }
  void connection_lost(const std::string& client) { client_losses_[client] += 1; }
  void spawn_later(const WorkerSpec& spec);
  void crash_workers_of(const Supervisor& supervisor);
  void fail(const std::string& what);
  double fault_rate() const { return healing_ ? 0 : fault_rate_; }
  // Equal calls are run once, for whoever began.
  bool shares() const { return shares_; }
  bool lies() const { return lies_ && !healing_; }
  std::size_t max_queued() const { return max_queued_; }
  std::size_t max_queued_bytes() const { return max_queued_bytes_; }

  template <typename... Parts>
  void trace(const Parts&... parts) {
    if (plan_.trace_length == 0) return;
    std::ostringstream line;
    line << "[" << std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - start_).count()
         << " us] ";
    (line << ... << parts);
    events_.push_back(line.str());
    if (events_.size() > plan_.trace_length) events_.pop_front();
  }

 private:
  void build();
  bool picks(const std::string& part);
  void plan_calls();
  void submit(ClientHost& client, std::uint64_t index);
  void make_schema(CallRecord& record, std::map<std::string, std::uint64_t>& extensions) const;
  void make_again(CallRecord& record, bool is_stream);
  void take_in(CallRecord& record, ClientHost& client);
  static void make_stream(CallRecord& record, std::map<std::string, std::uint64_t>& extensions,
                          Random& random);
  void read_on(CallRecord& record, ClientHost& client);
  void plan_faults(std::uint64_t index);
  void break_something(Random& random);
  void restart_broker(Duration down);
  Worker* any_worker(Random& random);
  void call_again(const std::string& service);
  void all_leave();
  void check_nothing_is_held(const std::string& when, bool peers_too);
  void check_the_end();
  broker::CoreConfig config();

  const Plan plan_;
  Tally& tally_;
  Parts parts_;
  std::deque<std::string> events_;
  std::string failure_;

  Scheduler clock_;
  const Time start_;
  Random random_;  // of what is drawn once
  Network network_;
  BrokerHost broker_;

  // Drawn once for this run.
  bool calm_ = false;  // no faults: every call must succeed, or miss its deadline, or be refused at a limit
  bool lies_ = false;
  bool shares_ = false;
  double fault_rate_ = 0;
  std::size_t calls_to_end_ = 0;
  std::size_t max_queued_ = 0;
  std::size_t max_outstanding_ = 0;
  std::size_t max_queued_bytes_ = 0;
  bool configured_ = false;
  std::uint32_t quarantine_after_ = 0;
  std::uint32_t instance_ = 0;

  bool healing_ = false;
  std::vector<ServiceSpec> services_;
  std::vector<std::unique_ptr<ClientHost>> clients_;
  std::vector<std::unique_ptr<Supervisor>> supervisors_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::deque<CallRecord> calls_;
  std::unordered_map<std::string, CallRecord*> by_echo_;
  std::map<std::uint64_t, CallRecord*> by_call_;                  // by address of the session's call
  std::map<std::string, int> shared_runs_;                        // by body
  std::map<std::string, std::set<std::uint64_t>> dispatched_to_;  // epochs, by body
  std::set<std::uint64_t> died_;
  std::map<std::string, int> worker_losses_;
  std::map<std::string, int> client_losses_;
  int broker_stops_ = 0;
};

}  // namespace samovar::sim
