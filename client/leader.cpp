// The leader's side of the driver.
#include <algorithm>
#include <iterator>
#include <utility>

#include "client/driver.hpp"

namespace samovar::detail {

using client::Clock;
using client::TimePoint;
using client::Transport;

namespace {

std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

// Leads until `own` has ended, or until that time, or until the client is destroyed. Does not resign.
void Driver::lead(const PendingCall& own, std::optional<TimePoint> until) {
  for (;;) {
    const bool progress = turn();
    Lock lock(mutex_);
    hand_over();
    if (own.ended() || closing_ || (until && *until <= Clock::now())) return;
    if (!progress) rest(lock, until);
  }
}

// Leads while there is something to do that nobody waits for, and no callback to run; then resigns.
void Driver::lead_unattended() {
  for (;;) {
    const bool progress = turn();
    Lock lock(mutex_);
    hand_over();
    const auto work = session_.outstanding() + inbox_.size();
    if (closing_ || have_callbacks() || work == 0 || (followers_ >= work && inbox_.empty()))
      return resign(lock);
    if (!progress) rest(lock, std::nullopt);
  }
}

// Sleeps until there is something to do. Returns with the lock released.
void Driver::rest(Lock& lock, std::optional<TimePoint> until) {
  if (!inbox_.empty()) return lock.unlock();
  resting_ = true;
  woken_ = false;
  lock.unlock();
  transport_->wait(earlier(until, session_.next_deadline()));
  lock.lock();
  resting_ = false;
  lock.unlock();
}

// Releases the lock.
void Driver::resign(Lock& lock) {
  if (!closing_ && first_follower_) {
    Waiter& heir = *first_follower_;
    unfollow(heir);
    heir.leads = true;
    auto* const address = heir.promote();
    lock.unlock();
    return Waiter::wake(address);
  }
  led_ = false;
  drive_ = session_.outstanding() > 0 || !inbox_.empty();
  if (drive_ || closing_) thread_condition_.notify_one();
  if (closing_) unled_condition_.notify_all();
  lock.unlock();
}

// Does everything that can be done without waiting. True when there may be more. Throws nothing but for lack of
// memory, and then what the session holds can no longer be trusted: that ends the program.
bool Driver::turn() noexcept {
  const bool changed = take_events();  // calls that come now are for the connection that there is now
  {
    const Lock lock(mutex_);
    commands_.swap(inbox_);
  }
  const auto now = Clock::now();
  obey(commands_, now);
  session_.tick(now);
  send(now);
  const bool received = receive() || changed;
  // Nobody may lead after this: what ended a stream here has its worker to tell.
  if (received && session_.outstanding() == 0) send(now);
  deliver();
  if (received || !blocked_) return received;
  const auto ready = transport_->readiness();
  return ready.in || ready.out;
}

void Driver::obey(std::vector<Command>& commands, TimePoint now) {
  for (auto& [what, call] : commands) {
    if (what == Command::What::submit) {
      session_.submit(std::move(call), now);
    } else if (what == Command::What::cancel) {
      session_.cancel(call->id);
    } else if (const auto window = call->window.exchange(0, std::memory_order_relaxed)) {  // 0: has been told
      session_.widen(call->id, window);
    }
  }
  commands.clear();
}

bool Driver::receive() {
  int received = 0;
  while (received < client::limits::kReceiveBatch && session_.completed() < client::limits::kReplyBatch &&
         take_message()) {
    ++received;
    if (session_.outstanding() == 0) break;
  }
  return received > 0;
}

bool Driver::take_message() {
  client::Incoming message;
  if (!transport_->receive(message)) return false;
  session_.message(message.frame, message.attachments, Clock::now());
  return true;
}

// True when there were any.
bool Driver::take_events() {
  bool any = false;
  for (Transport::Event event{}; transport_->next_event(event); any = true) {
    switch (event) {
      case Transport::Event::connected: session_.connected(Clock::now()); break;
      case Transport::Event::disconnected:
        // What came before the break counts; nothing can have come after it, since HELLO has not been said.
        while (take_message()) {
        }
        session_.disconnected(Clock::now());
        break;
      case Transport::Event::handshake_failed: session_.handshake_failed(); break;
      case Transport::Event::refused:
        session_.unauthorized("does not know this client's key", Clock::now());
        break;
      case Transport::Event::wants_key:
        session_.unauthorized("wants a key: name the files of this client's and of its own", Clock::now());
        break;
      case Transport::Event::takes_no_key:
        session_.unauthorized("has no key: what is sent to it would not be secret", Clock::now());
        break;
    }
  }
  return any;
}

void Driver::send(TimePoint now) {
  if (blocked_ && !transport_->readiness().out) return;
  blocked_ = false;
  client::Message message;
  while (session_.next_message(now, message)) {
    if (transport_->send(message)) continue;
    session_.not_sent();
    blocked_ = true;
    return;
  }
}

// Ends the calls that somebody waits for, gives readers their items, and leaves those with callbacks to hand_over().
void Driver::deliver() {
  session_.take_completions(completions_);
  std::size_t callbacks = 0;
  for (auto& completion : completions_) {
    auto& call = static_cast<PendingCall&>(*completion.call);
    if (!call.calls_back()) {
      if (completion.is_item) {
        call.sink->item(std::move(completion.outcome));
      } else {
        call.end(std::move(completion.outcome));
      }
    } else if (auto& place = completions_[callbacks++]; &place != &completion) {
      place = std::move(completion);
    }
  }
  completions_.resize(callbacks);
}

// Under the lock.
void Driver::hand_over() {
  if (completions_.empty()) return;
  if (callbacks_.empty()) {
    callbacks_.swap(completions_);
  } else {
    std::move(completions_.begin(), completions_.end(), std::back_inserter(callbacks_));
    completions_.clear();
  }
  thread_condition_.notify_one();
}

}  // namespace samovar::detail
