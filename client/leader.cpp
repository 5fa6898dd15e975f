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
  if (!inbox_.empty() || brokers_) return lock.unlock();
  resting_ = true;
  woken_ = false;
  lock.unlock();
  transport_->wait(earlier(earlier(until, session_.next_deadline()), connections_.next_deadline()));
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
  const bool changed = take_events();  // calls that come now are for the connections that there are now
  std::optional<std::pair<std::vector<std::string>, std::string>> brokers;
  {
    const Lock lock(mutex_);
    commands_.swap(inbox_);
    if (brokers_) brokers.swap(brokers_);
  }
  if (brokers) {
    session_.explain_no_links(std::move(brokers->second));
    connections_.want(brokers->first);
  }
  const auto now = Clock::now();
  obey(commands_, now);
  session_.tick(now);
  connections_.tick(now);
  send(now);
  const bool received = receive() || changed;
  // Nobody may lead after this: what ended a stream here has its worker to tell.
  if (received && session_.outstanding() == 0) send(now);
  deliver();
  return received || may_go_on();
}

// Of links that were blocked: whether something can be sent or received now.
bool Driver::may_go_on() {
  if (blocked_ == 0) return false;
  return std::any_of(session_.links().begin(), session_.links().end(), [this](const auto& link) {
    if (!link || !link->busy) return false;
    const auto ready = transport_->readiness(link->id);
    return ready.in || ready.out;
  });
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
  bool received = false;
  for (const auto& link : session_.links()) {
    if (!link) continue;
    for (int i = 0; i < client::limits::kReceiveBatch && session_.completed() < client::limits::kReplyBatch &&
                    take_message(link->id);
         ++i) {
      received = true;
      if (session_.outstanding() == 0) break;
    }
  }
  return received;
}

bool Driver::take_message(client::LinkId link) {
  client::Incoming message;
  if (!transport_->receive(link, message)) return false;
  session_.message(link, message.frame, message.attachments, Clock::now());
  return true;
}

// True when there were any.
bool Driver::take_events() {
  bool any = false;
  for (const auto& link : session_.links()) {
    Transport::Event event{};
    while (link && transport_->next_event(link->id, event)) {
      take_event(link->id, event);
      any = true;
    }
  }
  return any;
}

void Driver::take_event(client::LinkId link, Transport::Event event) {
  const auto now = Clock::now();
  switch (event) {
    case Transport::Event::connected: return session_.connected(link, now);
    case Transport::Event::disconnected:
      // What came before the break counts; nothing can have come after it, since HELLO has not been said.
      while (take_message(link)) {
      }
      session_.disconnected(link, now);
      if (resolver_) resolver_->hurry();
      return;
    case Transport::Event::handshake_failed: return session_.handshake_failed(link);
    case Transport::Event::refused:
      return session_.unauthorized(link, "does not know this client's key", now);
    case Transport::Event::wants_key:
      return session_.unauthorized(link, "wants a key: name the files of this client's and of its own", now);
    case Transport::Event::takes_no_key:
      return session_.unauthorized(link, "has no key: what is sent to it would not be secret", now);
  }
}

void Driver::send(TimePoint now) {
  if (blocked_ > 0) {
    for (const auto& link : session_.links()) {
      if (!link || !link->busy || !transport_->readiness(link->id).out) continue;
      session_.set_busy(link->id, false);
      --blocked_;
    }
  }
  client::Message message;
  while (session_.next_message(now, message)) {
    const auto link = message.link;
    if (transport_->send(message)) continue;
    session_.not_sent();
    session_.set_busy(link, true);
    ++blocked_;
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
