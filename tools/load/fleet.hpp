// The processes that make the calls. They are forked before any client exists; what they measure comes over a pipe.
#pragma once

#include <sys/types.h>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tools/load/connection.hpp"

namespace samovar::load {

// No broker answered: what() is a sentence.
class Unreachable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Fleet {
 public:
  // Forks: no other thread may exist yet. The references must outlive it.
  Fleet(const Setup& setup, const Deck& deck);
  // Ends the processes.
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Waits for the broker's answer to each process. Throws Unreachable, and std::invalid_argument
  // when the endpoint is none.
  void connect();
  // Makes the calls of a phase, and tells `tick` the seconds since its start about once a second.
  Tally run(const Phase& phase, const std::function<void(double)>& tick);

  Progress& progress() { return *progress_; }

 private:
  struct Process {
    pid_t pid;
    int socket;
  };

  [[noreturn]] void serve(const Setup& setup, const Deck& deck, unsigned number, int socket);
  void send_to_all(const Json& order);
  Json receive_from(std::size_t number);

  Progress* progress_;
  std::vector<Process> processes_;
};

}  // namespace samovar::load
