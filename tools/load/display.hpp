// What is seen while a run goes on: a line that is written over on a terminal; elsewhere a line now and then, and
// none for a short run.
#pragma once

#include <string>

#include "tools/load/progress.hpp"

namespace samovar::load {

class Display {
 public:
  Display(bool quiet, const Progress& progress);
  // Wipes the line.
  ~Display() { clear(); }
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  // What runs now, in words.
  void begin(const std::string& title);
  // About once a second.
  void tick(double seconds);
  void clear();

 private:
  struct Sums {
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    std::uint64_t latency_us = 0;
  };
  Sums sums() const;

  const Progress& progress_;
  const bool quiet_;
  const bool terminal_;
  std::string title_;
  Sums last_;
  double last_seconds_ = 0;
};

}  // namespace samovar::load
