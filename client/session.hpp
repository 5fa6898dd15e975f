// The calls of a client, and its connections to one broker or several, without sockets, clock, threads or logging: events go
// in with the time, messages to send and completed calls come out. PROTOCOL.md, sections 2 to 6, is what it follows.
// Every call that is submitted is completed exactly once; the items of a stream come before that, in order and without
// a gap. Not thread-safe.
//
//   event of a link           disconnected   greeting        ready                  refused
//   connected                 greet          greet           lose, greet            greet
//   disconnected              -              disconnected    lose, disconnected     disconnected
//   HELLO that answers ours   stale          ready           stale                  stale
//   REGISTER_AGAIN            stale          stale           lose, greet            stale
//   PROTOCOL_ERROR            stale          refuse          end what was sent      stale
//   REPLY                     stale          stale           completes a call       stale
//   ITEMS                     stale          stale           items of streams       stale
//   DRAIN                     stale          stale           answer, nothing new    stale
//   malformed message         counted        counted         counted                counted
//
// greet: say HELLO under a new nonce, in state greeting. lose: what was sent ends as broker_lost, or waits again
// when it is idempotent. refuse: nothing goes there, for as long as the connection lasts; of one that is unauthorized, until
// HELLO is tried again. Where nothing can be hoped of any link, all that waits ends at once, and so does what comes.
//
// Of several brokers, the next calls go to the better one of two that are chosen by chance (health.hpp). What a broker
// refuses without having run it goes on to one that has not been asked.
//
//   session.cpp        the connections, and what comes from them
//   session_calls.cpp  calls: what their callers say, when their time is up, how they end
//   session_send.cpp   what is to be sent, and where
//   session_again.cpp  a call that failed in a way that allows it is made again (Tries), and one that is slow is made a second
//                      time beside the first (hedge_after), within the call's deadline and a budget
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/call.hpp"
#include "client/call_budget.hpp"
#include "client/call_table.hpp"
#include "client/limits.hpp"
#include "client/link.hpp"
#include "client/random.hpp"
#include "proto/control.hpp"
#include "proto/message.hpp"

namespace samovar::client {

struct SessionConfig {
  std::string name;
  std::uint64_t pid = 0;
  std::string clock;  // PROTOCOL.md 5.1
  // Where nonces, ids and chance start: random in life, fixed in tests.
  std::uint64_t nonce_seed = 1;
  std::uint32_t id_seed = 0;
  std::size_t max_outstanding = 1'000'000;
  std::size_t max_waiting_bytes = limits::kMaxWaitingBytes;
  double retry_budget = limits::kRetryBudget;  // retries and hedges, as a share of the calls
};

// What the transport is to send. `calls` of the calls that were waiting are in it; 0: a control message.
struct Message {
  LinkId link{};
  std::string frame;
  std::vector<Buffer> attachments;
  std::uint32_t calls = 0;
};

struct SessionCounters {
  std::uint64_t calls_sent = 0;
  std::uint64_t calls_sent_again = 0;
  std::uint64_t calls_moved = 0;  // to another broker, which one had refused
  std::uint64_t retries = 0;      // by a Tries
  std::uint64_t hedges = 0;       // second ones that were begun
  std::uint64_t hedges_won = 0;   // and answered first
  std::uint64_t over_budget = 0;  // retries and hedges that the budget forbade
  std::uint64_t messages_sent = 0;
  std::uint64_t hellos_sent = 0;
  std::uint64_t pings_sent = 0;    // to brokers that had failed
  std::uint64_t items = 0;         // of streams
  std::uint64_t late_replies = 0;  // and items, to calls that are not outstanding: late, duplicate or forged
  std::uint64_t stale_messages = 0;   // of another epoch, or an answer to another HELLO
  std::uint64_t malformed = 0;        // not what PROTOCOL.md says
  std::uint64_t protocol_errors = 0;  // PROTOCOL_ERROR from the broker
};

class Session {
 public:
  explicit Session(SessionConfig config);

  // The connections. An endpoint is for messages; there may be several links to one, and limits::kMaxLinks at most. A link
  // that is retired takes no more calls; once it is over it can be removed, and its id is used again.
  LinkId add_link(const std::string& endpoint);
  void retire(LinkId link);
  bool is_over(LinkId link) const;
  void remove_link(LinkId link);
  // What calls are told that find none until their time is up.
  void explain_no_links(std::string why) { no_links_ = std::move(why); }
  void connected(LinkId id, TimePoint now);
  void disconnected(LinkId id, TimePoint now);
  // Something answers at the endpoint, but does not speak ZeroMQ: for messages only.
  void handshake_failed(LinkId link) { at(link).handshake_failed = true; }
  // The broker refuses this peer's key, or its having none: nothing goes there until there is a connection.
  void unauthorized(LinkId id, const std::string& why, TimePoint now);
  void message(LinkId id, const Buffer& frame, std::span<const Buffer> attachments, TimePoint now);
  // The transport takes no message for this link now, or does again.
  void set_busy(LinkId link, bool busy) { at(link).busy = busy; }

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

  const std::vector<std::unique_ptr<Link>>& links() const { return links_; }  // null: the id is free
  const Link& link(LinkId id) const { return *links_[index_of(id)]; }
  std::size_t outstanding() const { return table_.size() - hedges_; }
  std::size_t waiting() const { return table_.waiting(); }
  const SessionCounters& counters() const { return counters_; }

 private:
  Link& at(LinkId id) { return *links_[index_of(id)]; }
  const Link& at(LinkId id) const { return *links_[index_of(id)]; }
  bool several() const { return count_ > 1; }
  std::optional<Hopeless> hopeless(TimePoint now) const;
  void lose(Link& link, std::string_view why, TimePoint now);
  void refuse(Link& link, Status status, const std::string& why, TimePoint now);
  void malformed(Link& link, std::string why);
  void end_sent(Link& link, Status status, const std::string& why);
  void end_hopeless(TimePoint now);
  void expire(CallTable::Slot slot, TimePoint now);
  std::string why_waiting() const;
  std::optional<TimePoint> guard(const Link& link) const;
  void failed(Link& link, TimePoint now);
  bool is_suspect(const Link& link) const;
  bool is_stale(const Link& link, const proto::Head& head);

  void on_hello(Link& link, const proto::Head& head, std::string_view frame);
  void on_reply(Link& link, const proto::Head& head, const Buffer& frame, std::span<const Buffer> attachments,
                TimePoint now);
  void on_items(Link& link, const proto::Head& head, const Buffer& frame,
                std::span<const Buffer> attachments);
  void on_protocol_error(Link& link, std::string_view frame, TimePoint now);
  void on_register_again(Link& link, TimePoint now);
  void on_drain(Link& link, const proto::Head& head, std::string_view frame, TimePoint now);
  CallTable::Slot find(const Link& link, std::uint64_t id, std::uint8_t attempt);

  bool next_hello(Link& link, Message& message);
  bool next_ping(Link& link, Message& message);
  bool next_drained(Link& link, Message& message);
  bool next_cancel(Link& link, Message& message);
  bool next_windows(Link& link, Message& message);
  bool declare(Link& link, const Schema& schema, Message& message);
  bool ask(Link& link, std::string_view method, std::uint64_t timeout_us, std::string_view args,
           Message& message);
  bool next_bundle(TimePoint now, Message& message);
  Link* choose(TimePoint now, std::uint64_t tried);
  std::size_t share() const;

  Outcome& complete(CallTable::Slot slot);  // to be filled in at once
  void fail(CallTable::Slot slot, Status status, std::string message);
  void wait_again(CallTable::Slot slot, TimePoint due);
  void send_cancel(CallTable::Slot slot);

  // Of calls that may be made again.
  void end_attempt(CallTable::Slot slot, Outcome&& outcome, TimePoint now);
  bool retry(CallTable::Slot slot, const Outcome& outcome, TimePoint now);
  bool move(CallTable::Slot slot, const Outcome& outcome, TimePoint now);
  void end_rest(CallTable::Slot slot, TimePoint now);
  void end_unsent(CallTable::Slot slot, const std::string& why, TimePoint now);
  void arm_hedge(CallTable::Slot slot, TimePoint now);
  void disarm_hedge(CallTable::Slot slot);
  void hedge(CallTable::Slot slot, TimePoint now);
  void drop_hedge(CallTable::Slot slot);
  bool under_way(CallTable::Slot slot) const;
  bool spend();

  SessionConfig config_;
  std::vector<std::unique_ptr<Link>> links_;  // by LinkId
  std::size_t count_ = 0;                     // of those that are not retiring
  std::string no_links_;
  Random random_;

  CallTable table_;
  std::size_t waiting_bytes_ = 0;
  std::size_t hedges_ = 0;  // in the table
  CallBudget budget_;
  std::string valid_method_;  // the last that was found to be one

  // What next_message() gave last, for not_sent().
  enum class Taken : std::uint8_t { nothing, hello, ping, drained, cancels, windows, declaration, bundle };
  Taken taken_ = Taken::nothing;
  LinkId taken_from_{};
  std::uint32_t taken_calls_ = 0;
  std::uint64_t taken_schema_ = 0;
  std::vector<std::uint64_t> taken_cancels_;
  std::vector<proto::Window> taken_windows_;

  std::vector<proto::ReplyItem> items_;          // kept for its capacity
  std::vector<proto::StreamItem> stream_items_;  // likewise
  std::vector<Completion> completions_;
  SessionCounters counters_;
};

// The outcome of a call that ends here and not at a broker.
Outcome local_outcome(Status status, std::string message, std::uint8_t attempt = 0);

}  // namespace samovar::client
