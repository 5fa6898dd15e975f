#include "tools/load/connection.hpp"

#include <pthread.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <future>

namespace samovar::load {

using namespace std::chrono_literals;

Connection::Connection(const Setup& setup, const Deck& deck, Budget& budget, Progress& progress,
                       unsigned index)
    : setup_(setup),
      budget_(budget),
      progress_(progress),
      counters_(progress.counters[index]),
      index_(index),
      cursor_(deck, index * 7919),  // a prime: places that do not coincide
      client_(std::make_unique<Client>(setup.endpoint)) {}

Connection::~Connection() {
  abandoned_ = true;
}

std::optional<std::string> Connection::greet() {
  struct Answer {
    clockid_t clock;
    std::optional<std::string> error;
  };
  std::promise<Answer> promise;
  client_->async_call("samovar.ping",
                      samovar::timeout(std::min<std::chrono::microseconds>(setup_.timeout, 3s)),
                      [&promise](Result<void> pong) {
                        Answer answer{};
                        pthread_getcpuclockid(pthread_self(), &answer.clock);
                        if (!pong.ok()) answer.error = pong.error().what();
                        promise.set_value(std::move(answer));
                      });
  auto answer = promise.get_future().get();
  callback_clock_ = answer.clock;
  return std::move(answer.error);
}

void Connection::begin(const Phase& phase, TimePoint start, TimePoint window_end) {
  phase_ = phase;
  start_ = start;
  window_end_ = window_end;
  recorder_.emplace(start, window_end);
  calls_ = 0;
}

std::int64_t Connection::target(TimePoint now) const {
  const auto& level = phase_.level;
  double part = 0;
  if (level.ramp()) {
    part = std::clamp(
        std::chrono::duration<double>(now - start_) / std::chrono::duration<double>(phase_.duration), 0.0,
        1.0);
  }
  const auto share = [this](double all) {
    return static_cast<std::int64_t>(
        share_of(static_cast<std::uint64_t>(std::llround(all)), index_, setup_.all_connections()));
  };
  // A ramp is driven by the calls themselves: one must be there from the start where there are to be any.
  const std::int64_t least =
      level.ramp() ? std::min<std::int64_t>(1, share(std::max(level.from, level.to))) : 0;
  return std::max(least, share(level.from + (level.to - level.from) * part));
}

void Connection::start_loop() {
  const auto first = target(start_);
  under_way_ = first;
  // The callbacks go on behind these, at the same time: this thread has its own place in the deck.
  Deck::Cursor cursor = cursor_;
  std::uint64_t calls = 0;
  for (std::int64_t i = 0; i < first; ++i) cursor_.next();
  for (std::int64_t i = 0; i < first; ++i) {
    if (budget_.take()) {
      launch(cursor, calls, Clock::now());
    } else {
      retire();
    }
  }
}

void Connection::start(TimePoint intended) {
  under_way_.fetch_add(1, std::memory_order_relaxed);
  launch(cursor_, calls_, intended);
}

void Connection::launch(Deck::Cursor& cursor, std::uint64_t& calls, TimePoint intended) {
  const auto card = cursor.next();
  const bool sampled = setup_.sample_every > 0 && calls++ % setup_.sample_every == 0;
  client_->async_call(card.method, packed(card.arguments, card.keywords), samovar::timeout(setup_.timeout),
                      WantMetadata{sampled}, Idempotent{setup_.idempotent},
                      [this, intended, sampled](Result<void> result) { ended(result, intended, sampled); });
}

void Connection::ended(const ResultBase& result, TimePoint intended, bool sampled) {
  const auto now = Clock::now();
  if (result.ok()) {
    recorder_->succeeded(intended, now);
    add(counters_.ok, 1);
    add(counters_.latency_us, static_cast<std::uint64_t>((now - intended) / 1us));
    if (sampled) recorder_->sampled(result.metadata());
  } else if (abandoned_.load(std::memory_order_relaxed)) {
    ++abandoned_calls_;
    return;
  } else {
    recorder_->failed(result.error(), intended, now);
    add(counters_.failed, 1);
  }
  if (phase_.level.loop == Loop::closed) {
    follow(now);
  } else {
    retire();
  }
}

// One call of a closed loop has ended: starts the next, or several when the ramp has risen.
void Connection::follow(TimePoint now) {
  if (now >= window_end_ || progress_.stop.load(std::memory_order_relaxed)) return retire();
  if (phase_.level.ramp()) {
    auto more = target(now) - under_way_.load(std::memory_order_relaxed);
    if (more < 0) return retire();
    for (; more > 0 && budget_.take(); --more) {
      under_way_.fetch_add(1, std::memory_order_relaxed);
      launch(cursor_, calls_, now);
    }
  }
  if (!budget_.take()) return retire();
  launch(cursor_, calls_, now);
}

void Connection::retire() {
  if (under_way_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  const std::lock_guard lock(mutex_);
  idle_.notify_all();
}

bool Connection::drain(TimePoint until) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, until, [this] { return under_way_.load(std::memory_order_acquire) <= 0; });
}

void Connection::abandon() {
  abandoned_ = true;
  client_.reset();
}

Tally Connection::end() {
  auto tally = recorder_->take();
  tally.abandoned = abandoned_calls_;
  return tally;
}

Nanoseconds Connection::cpu_time() const {
  timespec time{};
  if (!client_ || !callback_clock_ || clock_gettime(*callback_clock_, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

}  // namespace samovar::load
