// The broker without sockets, clock, threads or logging: events go in with the time, and what is to be sent lies in
// the outbox afterwards. Every accepted request ends exactly once. What a peer does wrong is an event, never an
// exception; asserts are for the core's own bookkeeping. Not thread-safe.
//
//   core.cpp           peers, time, services
//   core_requests.cpp  a request from acceptance to its worker, and back
//   core_admission.cpp what is refused before it is queued, for want of room or time
//   core_outcomes.cpp  how requests end
//   core_streams.cpp   items and windows of streams, and what tells a worker to stop
//   core_workers.cpp   a worker from READY to its end, and its supervisor
//   core_pure.cpp      equal calls of pure methods, which are run once
//   core_quarantine.cpp requests that kill workers
//   core_builtin.cpp   the broker's own service, and what it has supervisors do
//   status.cpp         what `samovar status` shows
//   invariants.cpp     what must hold between any two events
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/core/client.hpp"
#include "broker/core/config.hpp"
#include "broker/core/counters.hpp"
#include "broker/core/deaths.hpp"
#include "broker/core/errand.hpp"
#include "broker/core/event.hpp"
#include "broker/core/flight.hpp"
#include "broker/core/id_table.hpp"
#include "broker/core/outbox.hpp"
#include "broker/core/quarantine.hpp"
#include "broker/core/recent_errors.hpp"
#include "broker/core/recycled.hpp"
#include "broker/core/service.hpp"
#include "broker/core/timers.hpp"
#include "broker/core/traces.hpp"

namespace samovar::broker {

struct Supervisor {
  PeerId peer{};
  Epoch epoch{};
  std::string name;  // for people
  std::uint64_t pid = 0;
  std::string token;
  std::optional<proto::Pool> pool;
  bool holds() const {
    return pool && (pool->state == proto::PoolState::loading || pool->state == proto::PoolState::serving);
  }
};

class Core {
 public:
  Core(CoreConfig config, TimePoint now);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void handle(const event::Hello& event, TimePoint now);
  void handle(const event::Granted& event, TimePoint now);
  void handle(const event::HandshakesRefused& event, TimePoint now);
  void handle(const event::Connections& event, TimePoint now);
  void handle(const event::Requests& event, TimePoint now);
  void handle(const event::Replies& event, TimePoint now);
  void handle(const event::Items& event, TimePoint now);
  void handle(const event::Windows& event, TimePoint now);
  void handle(const event::ItemsDropped& event, TimePoint now);
  void handle(const event::Cancel& event, TimePoint now);
  void handle(const event::Ready& event, TimePoint now);
  void handle(const event::Brokers& event, TimePoint now);
  void handle(const event::Drain& event, TimePoint now);
  void handle(const event::Drained& event, TimePoint now);
  void handle(const event::Pool& event, TimePoint now);
  void handle(const event::Obituary& event, TimePoint now);
  void handle(const event::CommandDone& event, TimePoint now);
  void handle(const event::PoisonSaved& event, TimePoint now);
  void handle(const event::WallClock& event, TimePoint now);
  void handle(const event::PeerLost& event, TimePoint now);
  void handle(const event::Malformed& event, TimePoint now);
  void handle(const event::PoolFailed& event, TimePoint now);
  void handle(const event::RepliesDropped& event, TimePoint now);
  void handle(const event::Shutdown& event, TimePoint now);

  // Does what is due by now.
  void tick(TimePoint now);
  std::optional<TimePoint> next_deadline() const { return timers_.next(); }

  Outbox& outbox() { return outbox_; }
  // Requests that are refused from now on, to be saved for a later trial.
  bool has_poisoned() const { return !poisoned_.empty(); }
  std::vector<Poisoned> take_poisoned();

  // Calls that were traced and have ended: CoreConfig::traces.
  Traces& traces() { return traces_; }

  bool draining() const { return draining_; }
  // After Shutdown: every request has ended.
  bool drained() const { return draining_ && in_flight_.empty(); }
  // And every client knows: no request is on its way any more.
  bool clients_drained() const;

  const Counters& counters() const { return counters_; }
  std::uint64_t outcomes(Status status) const { return outcomes_[static_cast<std::size_t>(status)]; }

  // For tests and status: sizes of the tables. All but peers are 0 when nothing is outstanding.
  struct Sizes {
    std::size_t peers, requests, queued, in_flight, timers;
    std::size_t queued_bytes;
    std::size_t longest_queue, largest_queue_bytes;
    std::size_t flights;
    std::size_t grants;
  };
  Sizes sizes() const;
  // Bookkeeping that must hold between any two events: what is broken, or nullptr. For tests; costs O(everything).
  const char* check_invariants() const;

 private:
  // core.cpp
  bool check_epoch(Side side, PeerId peer, Epoch epoch, const Epoch* actual, TimePoint now);
  Client* client_of(PeerId peer, Epoch epoch, TimePoint now);
  Worker* worker_of(PeerId peer, Epoch epoch, TimePoint now);
  Supervisor* supervisor_of(PeerId peer, Epoch epoch, TimePoint now);
  void refuse(Side side, PeerId peer, std::string why, TimePoint now);
  void complain(Side side, PeerId peer, std::string frame, TimePoint now);
  void forget_peer(PeerId peer, TimePoint now);
  void say_drain(PeerId client, Epoch epoch);
  Epoch next_epoch();
  Service* find_service(std::string_view name);
  // The same, but a name that somebody has only called is no service.
  Service* find_known(std::string_view name);
  Service* add_service(std::string_view name);
  Service* add_unknown_service(std::string_view name, TimePoint now);
  void service_changed(Service& service, TimePoint now);
  void service_deserted(Service& service, TimePoint now);

  // core_access.cpp
  const Grant* grant_of(PeerId peer) const;
  bool may_not_call(Client& client, const proto::RequestItem& item, const Service& service, TimePoint now);
  bool may_not_administer(Client& client, const proto::RequestItem& item, std::string_view method,
                          TimePoint now);
  bool may_not_provide(PeerId peer, const std::string& service, TimePoint now);
  void refuse_access(Side side, PeerId peer, std::string why, TimePoint now);
  bool may_not_greet(Side side, PeerId peer, TimePoint now);

  // core_requests.cpp
  struct Outcome {
    Status status = Status::ok;
    std::uint64_t run_us = 0;
    std::string_view tail;  // value and ext, as in proto::ReplyItem
  };
  void answer(const Client& client, std::uint64_t id, std::uint8_t attempt, const Outcome& outcome,
              const Frames& attachments = {});
  void refuse_request(const Client& client, const proto::RequestItem& item, Status status,
                      proto::ErrorValue error, TimePoint now);
  Request& take_request(Client& client, const proto::RequestItem& item, Service& service, Method* method,
                        TimePoint sent, TimePoint now);
  void accept(Client& client, const proto::RequestItem& item, const FramePtr& frame,
              const Frames& attachments, TimePoint sent, TimePoint now);
  Duration timeout_of(const proto::RequestItem& item, const Method* method) const;
  Method* find_method(std::string_view name);
  Service* service_of(Client& client, const proto::RequestItem& item, TimePoint sent, TimePoint now);
  void take_reply(Worker& worker, const proto::ReplyItem& item, const Frames& attachments, TimePoint now);
  void dispatch(Service& service, TimePoint now);
  void methods_known(Service& service, TimePoint now);
  Duration timeout_of(const Method* method) const;
  void set_deadline(Request& request, Duration timeout, TimePoint sent) const;
  void hand_over(Request& request, Worker& worker, TimePoint now);
  void queue_again(Request& request, TimePoint now);
  // The caller hears; the request stays where it is.
  void settle(Request& request, const Outcome& outcome, const Frames& attachments, TimePoint now);
  void settle(Request& request, Status status, const proto::ErrorValue& error, TimePoint now);
  void note_error(const Request& request, const Outcome& outcome, TimePoint now);
  // An end that does not come from a worker: what is queued is gone, what runs is abandoned.
  void end_early(Request& request, Status status, const proto::ErrorValue& error, TimePoint now);
  static std::string add_metadata(std::string_view value, std::string_view ext, std::uint64_t queued_us,
                                  std::string_view worker);
  void leave(Request& request);
  void left_behind(Request& request);
  void client_gone(Client& client);
  void release(Request& request);
  void forget(Request& request);
  void deadline_passed(Request& request, TimePoint now);

  // core_pure.cpp
  bool join(Client& client, const proto::RequestItem& item, Method& method, TimePoint sent, TimePoint now);
  void lead(Request& request, const proto::RequestItem& item);
  template <typename TailOf>
  void land(Request& leader, const Outcome& outcome, const TailOf& tail_of, const Frames& attachments,
            TimePoint now);
  void land(Request& leader, const Outcome& outcome, const Frames& attachments, TimePoint now);
  void land(Request& leader, const proto::ReplyItem& item, const Worker& worker, const Frames& attachments,
            TimePoint now);
  void end_flight(Request& leader);
  void unfollow(Request& request);
  void take_over(Request& leader);
  void settle_alone(Request& leader, const Outcome& outcome, TimePoint now);
  bool flies_on(Request& leader, const Outcome& outcome, TimePoint now);

  // core_quarantine.cpp
  RequestKey key_of(const Request& request) const;
  bool is_quarantined(const Request& request, TimePoint now);
  proto::ErrorValue quarantine_error(const Quarantine::Entry& entry) const;
  bool refuse_quarantined(const Client& client, const proto::RequestItem& item, const Method& method,
                          const Frames& attachments, TimePoint now);
  bool suspect(const Worker& worker, const Death& death, TimePoint now);
  void sweep(Service& service, TimePoint now);

  // core_admission.cpp
  bool refuse_overloaded(const Client& client, const proto::RequestItem& item, Duration retry_after,
                         std::string message, TimePoint now);
  bool refuse_at_the_door(Client& client, const proto::RequestItem& item, std::size_t bytes, Service& service,
                          TimePoint now);
  bool refuse_hopeless(const Client& client, const proto::RequestItem& item, const Method& method,
                       Duration left, TimePoint now);

  // core_builtin.cpp
  void answer_ok(const Client& client, const proto::RequestItem& item, std::string_view value);
  void answer_builtin(Client& client, const proto::RequestItem& item, std::string_view method, TimePoint sent,
                      TimePoint now);
  void command(Client& client, const proto::RequestItem& item, std::string_view service_name,
               proto::Command command, TimePoint sent, TimePoint now);
  void retire_older(PeerId supervisor, TimePoint now);
  void errands_lose(PeerId supervisor, TimePoint now);
  void finish_errand(std::uint64_t id, TimePoint now);

  // core_schemas.cpp
  void announce_schema(const Worker& worker, std::string_view packed);
  static Announced::Announcement announcement_of(const Worker& worker);
  void answer_schema(Client& client, const proto::RequestItem& item, TimePoint now);
  void declare_schema(Client& client, const proto::RequestItem& item, TimePoint now);
  void forget_declared(const Client& client);
  std::string schema_mismatch(const Client& client, std::uint64_t hash, const Method& method) const;
  bool refuse_mismatch(const Client& client, const proto::RequestItem& item, const Method& method,
                       TimePoint now);

  // core_streams.cpp
  void take_item(Worker& worker, const proto::StreamItem& item, const Frames& attachments, TimePoint now);
  void tell_window(const Request& request);
  void stream_idle(Request& request, TimePoint now);
  void tell_cancelled(const Request& request);

  // core_workers.cpp
  void retire(Worker& worker, TimePoint now);
  void dying(Worker& worker, TimePoint now);
  void bury(Worker& worker, TimePoint now);
  bool supervised(const Worker& worker) const;
  void update_pool(Supervisor& supervisor, std::optional<proto::Pool> pool, TimePoint now);
  bool was_running(const Worker& worker, const Request& request) const;
  bool record_death(const Worker& worker, TimePoint now);
  bool runs_again(Worker& worker, Request& request, TimePoint now);
  proto::ErrorValue worker_lost_error(const Worker& worker, const Request& request) const;

  // status.cpp
  std::string status(TimePoint now) const;
  std::string services() const;

  const CoreConfig config_;
  const TimePoint started_;
  bool draining_ = false;
  std::uint32_t epoch_serial_ = 0;
  std::uint64_t dispatch_serial_;

  Timers timers_;
  Timer drain_timer_{Timer::Kind::drain, this};
  std::unordered_map<std::string_view, std::unique_ptr<Service>>
      services_;                                                        // keys are the services' own names
  std::unordered_map<std::uint64_t, GrantPtr> grants_;                  // by peer, with security
  std::unordered_map<std::uint64_t, std::unique_ptr<Client>> clients_;  // by peer
  std::unordered_map<std::uint64_t, std::unique_ptr<Worker>> workers_;  // by peer
  std::unordered_map<std::uint64_t, Worker*> workers_by_epoch_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Supervisor>> supervisors_;  // by peer
  std::unordered_map<std::string_view, Method*> methods_;                       // by full name; for good
  Method* last_method_ = nullptr;                                               // that was asked for
  Recycled<Request> requests_;
  IdTable<Request> in_flight_;  // by dispatch id, abandoned ones included

  std::unordered_map<std::uint64_t, Errand> errands_;  // by the id of their COMMANDs
  std::uint64_t command_serial_ = 0;
  Deaths deaths_;
  RecentErrors errors_;
  Quarantine quarantine_;
  std::vector<Poisoned> poisoned_;
  Flights flights_;
  Traces traces_;
  std::int64_t wall_offset_us_ = 0;  // of the time for people from `now`

  // Since 1970.
  std::uint64_t wall_us(TimePoint now) const {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(to_us(now.time_since_epoch())) +
                                      wall_offset_us_);
  }

  // Complaints to each peer since then; begun anew every kComplaintsPer.
  TimePoint complaints_since_{};
  std::unordered_map<std::uint64_t, std::uint32_t> complaints_;  // by peer

  std::size_t connections_ = 0;
  std::size_t declared_bytes_ = 0;  // of all clients

  Outbox outbox_;
  Counters counters_;
  std::array<std::uint64_t, kStatusCount> outcomes_{};  // by status
};

}  // namespace samovar::broker
