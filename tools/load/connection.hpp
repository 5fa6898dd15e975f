// One client, the calls that it makes, and what they measure. In a closed loop the calls drive themselves: the
// callback of one starts the next.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <samovar/client.hpp>

#include "tools/load/deck.hpp"
#include "tools/load/plan.hpp"
#include "tools/load/progress.hpp"
#include "tools/load/recorder.hpp"

namespace samovar::load {

struct Setup {
  std::string endpoint;
  std::chrono::microseconds timeout{};
  bool idempotent = false;
  unsigned connections = 1;  // of each process
  unsigned processes = 1;
  unsigned sample_every = 32;  // each so many calls one asks for its metadata; 0: none

  unsigned all_connections() const { return connections * processes; }
};

// The calls that a process may still make, when their number is given.
class Budget {
 public:
  void set(std::optional<std::uint64_t> calls) {
    limited_ = calls.has_value();
    left_ = static_cast<std::int64_t>(calls.value_or(0));
  }
  bool take() { return !limited_ || left_.fetch_sub(1, std::memory_order_relaxed) > 0; }

 private:
  bool limited_ = false;
  std::atomic<std::int64_t> left_{0};
};

class Connection {
 public:
  // `index` is its number among all connections of all processes. The references must outlive it.
  Connection(const Setup& setup, const Deck& deck, Budget& budget, Progress& progress, unsigned index);
  ~Connection();

  // Waits until the broker has answered once; else says why not.
  std::optional<std::string> greet();

  // Before the first call of a phase.
  void begin(const Phase& phase, TimePoint start, TimePoint window_end);
  // Starts the first calls of a closed loop. It goes on until the window ends, the budget is empty or the run is
  // stopped.
  void start_loop();
  // Starts one call of an open loop, which was to start at `intended`.
  void start(TimePoint intended);
  // Waits for the calls under way, until then at most; false if there are some left.
  bool drain(TimePoint until);
  // Breaks off the calls that are under way, and the connection with them.
  void abandon();
  // When nothing is under way.
  Tally end();

  // CPU time of the thread that runs the callbacks.
  Nanoseconds cpu_time() const;

 private:
  void launch(Deck::Cursor& cursor, std::uint64_t& calls, TimePoint intended);
  void ended(const ResultBase& result, TimePoint intended, bool sampled);
  void follow(TimePoint now);
  void retire();
  std::int64_t target(TimePoint now) const;

  const Setup& setup_;
  Budget& budget_;
  Progress& progress_;
  Counters& counters_;
  const unsigned index_;

  Phase phase_;
  TimePoint start_;
  TimePoint window_end_;
  std::optional<Recorder> recorder_;  // the callbacks'
  // Of the thread that starts calls: the callbacks' in a closed loop, after the first calls.
  Deck::Cursor cursor_;
  std::uint64_t calls_ = 0;

  std::atomic<std::int64_t> under_way_{0};
  std::atomic<bool> abandoned_{false};
  std::uint64_t abandoned_calls_ = 0;
  std::mutex mutex_;
  std::condition_variable idle_;

  std::optional<clockid_t> callback_clock_;
  std::unique_ptr<Client> client_;  // the last: its callbacks use the others
};

}  // namespace samovar::load
