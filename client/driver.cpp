// The callers' side of the driver, and its end. Leading is in leader.cpp.
#include "client/driver.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "client/limits.hpp"
#include "client/process.hpp"
#include "client/signals_blocked.hpp"

namespace samovar::detail {
namespace {

// The driver whose callback runs on this thread.
thread_local const Driver* calling_back = nullptr;

}  // namespace

Waiter PendingCall::kEnded;

Driver::Driver(Private /*tag*/, const std::string& endpoints, client::SessionConfig config,
               std::unique_ptr<client::Transport> transport, client::Duration max_age)
    : endpoints_(endpoints),
      max_outstanding_(config.max_outstanding),
      generation_(client::fork_generation()),
      session_(config),
      transport_(std::move(transport)),
      connections_(session_, *transport_, max_age, config.nonce_seed) {}

std::shared_ptr<Driver> Driver::make(const std::string& endpoints, client::SessionConfig config,
                                     std::unique_ptr<client::Transport> transport, client::Duration max_age,
                                     client::Resolver::LookUp look_up) {
  auto found = client::parse_endpoints(endpoints);
  auto driver =
      std::make_shared<Driver>(Private{}, endpoints, std::move(config), std::move(transport), max_age);
  driver->connections_.want(found.fixed);
  if (!found.names.empty()) {
    const auto tell = [&driver = *driver](std::vector<std::string> brokers, std::string why) {
      driver.find_brokers(std::move(brokers), std::move(why));
    };
    driver->resolver_.emplace(std::move(found), tell, std::move(look_up));
  }
  return driver;
}

// On the resolver's thread.
void Driver::find_brokers(std::vector<std::string> endpoints, std::string why) {
  Lock lock(mutex_);
  if (closing_) return;
  brokers_.emplace(std::move(endpoints), std::move(why));
  if (led_) wake_leader(lock);
}

bool Driver::usable() const {
  return client::fork_generation() == generation_;
}

void Driver::check_usable() const {
  if (!usable())
    throw std::logic_error("this samovar::Client was made before fork(): make a new one in the child");
}

void Driver::check_may_wait() const {
  if (calling_back == this) {
    throw std::logic_error(
        "a callback must not wait for a call of its own samovar::Client: it runs on the thread that would "
        "have to "
        "complete it; use async_call");
  }
}

// --- callers -------------------------------------------------------------------------------------------

void Driver::start(std::shared_ptr<PendingCall> call) {
  check_usable();
  Command command{Command::What::submit, std::move(call)};
  const bool in_callback = calling_back == this;
  if (in_callback && command.call->calls_back() && outbox_.size() < client::limits::kOutbox &&
      !led_.load(std::memory_order_relaxed)) {
    return outbox_.push_back(std::move(command));
  }
  Lock lock(mutex_);
  if (in_callback) flush_outbox(lock);
  need_thread();
  if (enqueue(std::move(command), lock)) wake_leader(lock);
}

void Driver::perform(const std::shared_ptr<PendingCall>& call) {
  check_usable();
  check_may_wait();
  Lock lock(mutex_);
  if (enqueue({Command::What::submit, call}, lock)) attend(*call, std::nullopt, lock);
}

void Driver::refuse(std::shared_ptr<PendingCall> call, Outcome outcome) {
  if (!call->calls_back()) return call->end(std::move(outcome));
  check_usable();
  Lock lock(mutex_);
  if (closing_ && !call->owed()) return;
  need_thread();
  callbacks_.push_back({std::move(call), std::move(outcome)});
  thread_condition_.notify_one();
}

bool Driver::wait(PendingCall& call, std::optional<client::TimePoint> until) {
  if (call.ended()) return true;
  check_usable();
  check_may_wait();
  Lock lock(mutex_);
  return attend(call, until, lock);
}

void Driver::cancel(const std::shared_ptr<PendingCall>& call) {
  if (call->ended()) return;
  check_usable();
  Lock lock(mutex_);
  if (calling_back == this) flush_outbox(lock);  // it may be in there
  if (enqueue({Command::What::cancel, call}, lock)) wake_leader(lock);
}

void Driver::widen(const std::shared_ptr<PendingCall>& call) {
  if (call->ended()) return;
  check_usable();
  Lock lock(mutex_);
  if (enqueue({Command::What::widen, call}, lock)) wake_leader(lock);
}

// False, and the lock is released, when the command has been dealt with at once.
bool Driver::enqueue(Command command, Lock& lock) {
  const bool submit = command.what == Command::What::submit;
  if (!closing_ && (!submit || inbox_.size() < max_outstanding_)) {
    inbox_.push_back(std::move(command));
    return true;
  }
  const bool closing = closing_;
  lock.unlock();
  if (!submit) return false;
  if (closing) {
    // Made in a callback that the destructor runs, or its result would never be fetched: nobody must wait for it.
    if (!command.call->calls_back() || command.call->owed()) {
      refuse(std::move(command.call),
             client::local_outcome(Status::cancelled, "the client is being destroyed"));
    }
  } else {
    refuse(std::move(command.call),
           client::local_outcome(Status::overloaded, std::to_string(max_outstanding_) +
                                                         " calls of this client are waiting already"));
  }
  return false;
}

// Makes sure that somebody looks into the inbox, and releases the lock.
void Driver::wake_leader(Lock& lock) {
  if (!led_) {
    drive_ = true;
    thread_condition_.notify_one();
    return lock.unlock();
  }
  const bool wake = resting_ && !std::exchange(woken_, true);
  lock.unlock();
  if (wake) transport_->wake();
}

// Waits as the leader, when there is none, or as a follower. Releases the lock. True when the call has ended.
bool Driver::attend(PendingCall& call, std::optional<client::TimePoint> until, Lock& lock) {
  Waiter me;
  if (!call.attach(me)) return lock.unlock(), true;
  bool leads = !led_ && !closing_;
  if (leads) {
    led_ = true;
    lock.unlock();
  } else {
    follow(me);
    inbox_.empty() ? lock.unlock() : wake_leader(lock);
  }
  for (bool over = false; !over;) {
    if (leads) {
      lead(call, until);
    } else {
      me.sleep(until);
    }
    lock.lock();
    leads = leads || std::exchange(me.leads, false);  // promoted: it is no follower any more
    over = call.ended() || (until && *until <= client::Clock::now());
    if (leads && (over || closing_)) {
      leads = false;
      if (!over) follow(me);  // whoever destroys the client ends the call
      resign(lock);
    } else {
      if (!leads && over) unfollow(me);
      lock.unlock();
    }
  }
  return call.detach(me);
}

void Driver::follow(Waiter& waiter) {
  waiter.previous = last_follower_;
  waiter.next = nullptr;
  (last_follower_ ? last_follower_->next : first_follower_) = &waiter;
  last_follower_ = &waiter;
  ++followers_;
}

void Driver::unfollow(Waiter& waiter) {
  (waiter.previous ? waiter.previous->next : first_follower_) = waiter.next;
  (waiter.next ? waiter.next->previous : last_follower_) = waiter.previous;
  --followers_;
}

// --- the client's own thread ---------------------------------------------------------------------------

void Driver::need_thread() {
  if (thread_.joinable() || closing_) return;
  const client::SignalsBlocked blocked;  // they are for the threads of the program
  thread_ = std::thread([self = shared_from_this()] { self->run(); });
}

void Driver::run() {
  Lock lock(mutex_);
  for (;;) {
    thread_condition_.wait(lock, [this] { return closing_ || have_callbacks() || (drive_ && !led_); });
    if (have_callbacks()) {
      run_callbacks(lock);
    } else if (closing_) {
      break;
    }
    if (drive_ && !led_ && !closing_) {
      led_ = true;
      drive_ = false;
      lock.unlock();
      lead_unattended();
      lock.lock();
    }
  }
  unled_condition_.wait(lock, [this] { return !led_; });
  lock.unlock();
  finish();
  lock.lock();
  while (have_callbacks()) run_callbacks(lock);
}

bool Driver::have_callbacks() const {
  return next_callback_ < calling_back_.size() || !callbacks_.empty();
}

void Driver::run_callbacks(Lock& lock) {
  if (next_callback_ == calling_back_.size()) {
    calling_back_.clear();
    calling_back_.swap(callbacks_);
    next_callback_ = 0;
  }
  lock.unlock();
  calling_back = this;
  const auto end = std::min(calling_back_.size(), next_callback_ + client::limits::kReplyBatch);
  while (next_callback_ < end) {
    auto& completion = calling_back_[next_callback_++];
    const auto call = std::static_pointer_cast<PendingCall>(std::move(completion.call));
    if (completion.is_item) {
      call->sink->item(std::move(completion.outcome));
    } else if (call->sink) {
      call->end(std::move(completion.outcome));
    } else if (call->suspension) {
      const auto suspension = call->suspension;
      call->end(std::move(completion.outcome));
      suspension->arrived();
    } else {
      call->callback.run({std::move(completion.outcome), std::move(call->method), endpoints_,
                          (call->flags & proto::kIdempotent) != 0});
      call->callback.reset();  // what it holds may be waited for
    }
    if (!outbox_.empty() && led_.load(std::memory_order_relaxed)) {
      lock.lock();
      flush_outbox(lock);
      wake_leader(lock);
    }
  }
  calling_back = nullptr;
  lock.lock();
  if (outbox_.empty()) return;
  flush_outbox(lock);
  wake_leader(lock);
  lock.lock();
}

// Gives the calls that callbacks have started to the inbox. The lock may be released meanwhile.
void Driver::flush_outbox(Lock& lock) {
  if (!closing_ && inbox_.empty() && outbox_.size() <= max_outstanding_) return inbox_.swap(outbox_);
  auto commands = std::exchange(outbox_, {});
  for (auto& command : commands) {
    if (!enqueue(std::move(command), lock)) lock.lock();
  }
}

// --- the end -------------------------------------------------------------------------------------------

void Driver::close() {
  if (resolver_) resolver_->stop();
  Lock lock(mutex_);
  closing_ = true;
  thread_condition_.notify_one();
  if (led_ && resting_ && !std::exchange(woken_, true)) transport_->wake();
  if (!thread_.joinable()) {
    unled_condition_.wait(lock, [this] { return !led_; });
    lock.unlock();
    return finish();
  }
  if (thread_.get_id() == std::this_thread::get_id()) {
    // Destroyed by one of its own callbacks: its thread goes on to the end by itself.
    return thread_.detach();
  }
  lock.unlock();
  thread_.join();
}

// Nobody leads, and nobody will.
void Driver::finish() {
  {
    const std::lock_guard lock(mutex_);
    commands_.swap(inbox_);
  }
  obey(commands_, client::Clock::now());
  session_.cancel_all();
  deliver();
  {
    const std::lock_guard lock(mutex_);
    hand_over();
  }
  transport_->close_all();
}

}  // namespace samovar::detail
