// Runs phases in one process, over some connections.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/load/connection.hpp"

namespace samovar::load {

class Engine {
 public:
  // This is process number `process` of setup.processes. The references must outlive it.
  Engine(const Setup& setup, const Deck& deck, Progress& progress, unsigned process);

  // Waits until the broker has answered on each connection; else says why not.
  std::optional<std::string> connect();

  // Makes this process's share of the calls of a phase, from `start` on, and waits for their ends.
  Tally run(const Phase& phase, TimePoint start);

 private:
  struct CpuTimes {
    TimePoint at;
    Nanoseconds process{};
    std::vector<Nanoseconds> threads;  // the connections', and the one that calls run()
  };

  bool stopped() const { return progress_.stop.load(std::memory_order_relaxed); }
  Distribution make_open_loop(const Phase& phase, TimePoint start);
  void sleep_until_end(TimePoint window_end, bool or_idle);
  void drain();
  CpuTimes cpu_times() const;

  const Setup& setup_;
  Progress& progress_;
  const unsigned process_;
  Budget budget_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace samovar::load
