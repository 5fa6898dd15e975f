// Drives a session over a transport, for many threads: leader and followers.
//
// The leader is the one thread that uses the session and the transport. It is a thread that waits for a call, or,
// while calls are under way that nobody waits for, the client's own thread. Others put what they want into the
// inbox, and wake the leader only when it sleeps in the transport: what comes while it works forms a bundle. Those
// that wait are followers; a leader whose own call has ended promotes one of them.
//
// The client's own thread does not lead while it runs callbacks. The calls that they start are gathered in the outbox,
// and given to the inbox together, as long as nobody else leads, who could do something about them. It leads for a turn
// after some callbacks, so that the broker works meanwhile.
//
// All of the members below are guarded by mutex_, but for those that are the leader's, whose leadership changes hands
// under mutex_, and those of the client's own thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/connections.hpp"
#include "client/pending_call.hpp"
#include "client/resolver.hpp"
#include "client/session.hpp"
#include "client/transport.hpp"

namespace samovar::detail {

class Driver : public std::enable_shared_from_this<Driver> {
 public:
  // Connects to `endpoints`, as client::parse_endpoints() reads them. Throws what that and Transport::open() throw.
  static std::shared_ptr<Driver> make(const std::string& endpoints, client::SessionConfig config,
                                      std::unique_ptr<client::Transport> transport, client::Duration max_age,
                                      client::Resolver::LookUp look_up = client::look_up);

  // Takes the call in; does not wait for it.
  void start(std::shared_ptr<PendingCall> call);
  // start() and wait() in one, so that the caller can lead or follow from the first moment.
  void perform(const std::shared_ptr<PendingCall>& call);
  // Ends the call, which was never started, with an outcome that is known.
  void refuse(std::shared_ptr<PendingCall> call, Outcome outcome);
  // True when the call has ended.
  bool wait(PendingCall& call, std::optional<client::TimePoint> until);
  void cancel(const std::shared_ptr<PendingCall>& call);
  // Tells the broker the call's present `window`.
  void widen(const std::shared_ptr<PendingCall>& call);

  // Ends all calls, as described at samovar::Client. Once, before the last reference is dropped.
  void close();

  // Throws std::logic_error where waiting is not allowed.
  void check_may_wait() const;
  // False in the child of a fork(): nothing but this may be called there.
  bool usable() const;
  // As given to make().
  const std::string& endpoints() const { return endpoints_; }

 private:
  struct Private {};  // only make() makes one

 public:
  Driver(Private, const std::string& endpoints, client::SessionConfig config,
         std::unique_ptr<client::Transport> transport, client::Duration max_age);

 private:
  struct Command {
    enum class What : std::uint8_t { submit, cancel, widen };
    What what;
    std::shared_ptr<PendingCall> call;
  };
  using Lock = std::unique_lock<std::mutex>;

  void check_usable() const;

  // Callers.
  bool enqueue(Command command, Lock& lock);
  void wake_leader(Lock& lock);
  bool attend(PendingCall& call, std::optional<client::TimePoint> until, Lock& lock);
  void follow(Waiter& waiter);
  void unfollow(Waiter& waiter);

  // The leader.
  void lead(const PendingCall& own, std::optional<client::TimePoint> until);
  void lead_unattended();
  bool turn() noexcept;
  void find_brokers(std::vector<std::string> endpoints, std::string why);
  void obey(std::vector<Command>& commands, client::TimePoint now);
  bool receive();
  bool take_message(client::LinkId link);
  bool take_events();
  void take_event(client::LinkId link, client::Transport::Event event);
  bool may_go_on();
  void send(client::TimePoint now);
  void deliver();
  void hand_over();
  void rest(Lock& lock, std::optional<client::TimePoint> until);
  void resign(Lock& lock);

  // The client's own thread.
  void need_thread();
  void run();
  bool have_callbacks() const;
  void run_callbacks(Lock& lock);
  void flush_outbox(Lock& lock);
  void finish();

  const std::string endpoints_;
  const std::size_t max_outstanding_;
  const std::uint64_t generation_;

  // The leader's. The vectors are empty between its turns.
  client::Session session_;
  const std::unique_ptr<client::Transport> transport_;
  client::Connections connections_;
  std::size_t blocked_ = 0;  // links that the transport has refused a message for
  std::vector<Command> commands_;
  std::vector<client::Completion> completions_;

  // The client's own thread's.
  std::vector<Command> outbox_;
  std::vector<client::Completion> calling_back_;  // their callbacks have run, up to next_callback_
  std::size_t next_callback_ = 0;

  std::mutex mutex_;
  std::vector<Command> inbox_;
  std::optional<std::pair<std::vector<std::string>, std::string>>
      brokers_;                    // found, and not yet connected to
  std::atomic<bool> led_ = false;  // there is a leader; written under mutex_
  bool resting_ = false;           // the leader sleeps in the transport, or is about to
  bool woken_ = false;             // and has been woken
  bool drive_ = false;             // there is work for the client's own thread, unless somebody leads
  bool closing_ = false;
  std::size_t followers_ = 0;
  Waiter* first_follower_ = nullptr;
  Waiter* last_follower_ = nullptr;
  std::vector<client::Completion> callbacks_;  // their callbacks are to run
  std::condition_variable thread_condition_;
  std::condition_variable unled_condition_;
  std::thread thread_;
  std::optional<client::Resolver> resolver_;
};

}  // namespace samovar::detail
