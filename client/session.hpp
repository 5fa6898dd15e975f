// A client's half of a connection to a broker, without sockets, clock, threads or logging: events go in with the
// time, messages to send and completed calls come out. PROTOCOL.md, sections 2 to 6, is what it follows.
// Every call that is submitted is completed exactly once; the items of a stream come before that, in order and without
// a gap. Not thread-safe.
//
//   event                     disconnected   greeting        ready                  refused
//   connected                 greet          greet           lose, greet            greet
//   disconnected              -              disconnected    lose, disconnected     disconnected
//   HELLO that answers ours   stale          ready           stale                  stale
//   REGISTER_AGAIN            stale          stale           lose, greet            stale
//   PROTOCOL_ERROR            stale          refuse          end what was sent      stale
//   REPLY                     stale          stale           completes a call       stale
//   ITEMS                     stale          stale           items of streams       stale
//   DRAIN                     stale          stale           end what waits         stale
//   malformed message         counted        counted         counted                counted
//
// A call that failed in a way that allows it may be made again (Tries), and one that is slow may be made a second time
// beside the first (hedge_after); session_again.cpp. Either is within the call's deadline and a budget.
//
// greet: say HELLO under a new nonce, in state greeting. lose: what was sent ends as broker_lost, or waits again
// when it is idempotent. refuse: everything ends as protocol_error, and so does what comes, in state refused, for
// as long as the connection lasts; of one that is unauthorized, until HELLO is tried again.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/call.hpp"
#include "client/call_budget.hpp"
#include "client/call_table.hpp"
#include "client/limits.hpp"
#include "proto/control.hpp"
#include "proto/message.hpp"

namespace samovar::client {

struct SessionConfig {
  std::string endpoint;  // for messages
  std::string name;
  std::uint64_t pid = 0;
  std::string clock;  // PROTOCOL.md 5.1
  // Where nonces and ids start: random in life, fixed in tests.
  std::uint64_t nonce_seed = 1;
  std::uint32_t id_seed = 0;
  std::size_t max_outstanding = 1'000'000;
  std::size_t max_waiting_bytes = limits::kMaxWaitingBytes;
  double retry_budget = limits::kRetryBudget;  // retries and hedges, as a share of the calls
};

enum class SessionState : std::uint8_t {
  disconnected,
  greeting,  // HELLO has been said, or is about to be
  ready,     // there is an epoch
  refused,   // this connection is of no use
};

// What the transport is to send. `calls` of the calls that were waiting are in it; 0: a control message.
struct Message {
  std::string frame;
  std::vector<Buffer> attachments;
  std::uint32_t calls = 0;
};

struct SessionCounters {
  std::uint64_t calls_sent = 0;
  std::uint64_t calls_sent_again = 0;
  std::uint64_t retries = 0;      // by a Tries
  std::uint64_t hedges = 0;       // second ones that were begun
  std::uint64_t hedges_won = 0;   // and answered first
  std::uint64_t over_budget = 0;  // retries and hedges that the budget forbade
  std::uint64_t messages_sent = 0;
  std::uint64_t hellos_sent = 0;
  std::uint64_t items = 0;         // of streams
  std::uint64_t late_replies = 0;  // and items, to calls that are not outstanding: late, duplicate or forged
  std::uint64_t stale_messages = 0;   // of another epoch, or an answer to another HELLO
  std::uint64_t malformed = 0;        // not what PROTOCOL.md says
  std::uint64_t protocol_errors = 0;  // PROTOCOL_ERROR from the broker
};

class Session {
 public:
  explicit Session(SessionConfig config);

  // The connection.
  void connected(TimePoint now);
  void disconnected(TimePoint now);
  // Something answers at the endpoint, but does not speak ZeroMQ: for messages only.
  void handshake_failed() { handshake_failed_ = true; }
  // The broker refuses this peer's key, or its having none: calls end at once, until there is a connection.
  void unauthorized(const std::string& why, TimePoint now);
  void message(const Buffer& frame, std::span<const Buffer> attachments, TimePoint now);

  // The callers. submit() sets call->id, which stays 0 when the call is refused at once.
  void submit(CallPtr call, TimePoint now);
  // Ends the call as `cancelled`, and tells the broker. An id that is not outstanding is ignored.
  void cancel(CallId id);
  // The reader of a stream takes so many items in all. An id that is not outstanding is ignored.
  void widen(CallId id, std::uint64_t window);
  // Ends all calls as `cancelled`.
  void cancel_all();

  // Does what is due by now.
  void tick(TimePoint now);
  std::optional<TimePoint> next_deadline() const;

  // Takes the next message that is to be sent, if there is one: what waits now, bundled; never waits for more.
  bool next_message(TimePoint now, Message& message);
  // The transport did not take what next_message() gave last: its calls wait again, as if nothing had happened.
  void not_sent();

  // What has been completed since the last time, and the items that came, in order.
  std::vector<Completion> take_completions() { return std::exchange(completions_, {}); }
  // The same, into an empty vector whose capacity is kept in use.
  void take_completions(std::vector<Completion>& into) { into.swap(completions_); }
  std::size_t completed() const { return completions_.size(); }

  SessionState state() const { return state_; }
  std::size_t outstanding() const { return table_.size() - hedges_; }
  std::size_t waiting() const { return table_.waiting(); }
  bool draining() const { return draining_; }
  const SessionCounters& counters() const { return counters_; }

 private:
  void greet(TimePoint now);
  void lose(std::string_view why, TimePoint now);
  void refuse(Status status, const std::string& why);
  void malformed(std::string why);
  void end_sent(Status status, const std::string& why);
  void end_waiting(Status status, const std::string& why);
  void expire(CallTable::Slot slot);
  std::optional<TimePoint> guard() const;
  bool greets_again() const;

  void on_hello(const proto::Head& head, std::string_view frame);
  void on_reply(const proto::Head& head, const Buffer& frame, std::span<const Buffer> attachments,
                TimePoint now);
  void on_items(const proto::Head& head, const Buffer& frame, std::span<const Buffer> attachments);
  void on_protocol_error(std::string_view frame);
  void on_register_again(TimePoint now);
  void on_drain(const proto::Head& head, TimePoint now);

  bool next_hello(Message& message);
  bool next_cancel(Message& message);
  bool next_windows(Message& message);
  bool declare(const Schema& schema, Message& message);
  bool is_declared(const Call& call) const { return !call.schema || declared_.contains(call.schema->hash); }
  bool next_bundle(TimePoint now, Message& message);

  Outcome& complete(CallTable::Slot slot);  // to be filled in at once
  void fail(CallTable::Slot slot, Status status, std::string message);
  void wait_again(CallTable::Slot slot, TimePoint due);
  void send_cancel(CallTable::Slot slot);

  // Of calls that may be made again.
  void end_attempt(CallTable::Slot slot, Outcome&& outcome, TimePoint now);
  bool retry(CallTable::Slot slot, const Outcome& outcome, TimePoint now);
  void end_rest(CallTable::Slot slot, TimePoint now);
  void end_unsent(CallTable::Slot slot, TimePoint now);
  void arm_hedge(CallTable::Slot slot, TimePoint now);
  void disarm_hedge(CallTable::Slot slot);
  void hedge(CallTable::Slot slot, TimePoint now);
  void drop_hedge(CallTable::Slot slot);
  bool under_way(CallTable::Slot slot) const;
  bool spend();
  std::string going_away() const;

  SessionConfig config_;
  SessionState state_ = SessionState::disconnected;
  std::uint64_t epoch_ = 0;
  std::uint64_t nonce_;
  proto::BrokerHello broker_;
  Status refused_as_ = Status::protocol_error;
  std::string refusal_;         // empty: what is submitted is taken
  TimePoint refused_until_{};   // while disconnected: a broker that is gone refuses nobody
  std::string last_malformed_;  // for messages
  bool handshake_failed_ = false;
  bool draining_ = false;

  bool hello_pending_ = false;
  TimePoint hello_again_at_{};

  CallTable table_;
  std::size_t waiting_bytes_ = 0;
  std::set<std::uint64_t> declared_;  // hashes of schemas that this connection's broker has been told
  std::size_t hedges_ = 0;            // in the table
  CallBudget budget_;
  std::string valid_method_;  // the last that was found to be one
  std::vector<std::uint64_t> cancels_;
  std::vector<proto::Window> windows_;

  // What next_message() gave last, for not_sent().
  enum class Taken : std::uint8_t { nothing, hello, cancels, windows, declaration, bundle };
  Taken taken_ = Taken::nothing;
  std::uint32_t taken_calls_ = 0;
  std::uint64_t taken_schema_ = 0;
  std::vector<std::uint64_t> taken_cancels_;
  std::vector<proto::Window> taken_windows_;

  std::vector<proto::ReplyItem> items_;          // kept for its capacity
  std::vector<proto::StreamItem> stream_items_;  // likewise
  std::vector<Completion> completions_;
  SessionCounters counters_;
};

// The outcome of a call that ends here and not at the broker.
Outcome local_outcome(Status status, std::string message, std::uint8_t attempt = 0);

}  // namespace samovar::client
