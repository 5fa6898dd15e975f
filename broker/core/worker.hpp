// A worker as its broker sees it, and the choice among those of a service.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "broker/core/list.hpp"
#include "broker/core/request.hpp"
#include "broker/core/timers.hpp"
#include "proto/control.hpp"

namespace samovar::broker {

struct Worker {
  enum class State : std::uint8_t {
    greeted,   // has an epoch, has not said READY
    ready,     // takes requests
    draining,  // asked for no more; finishes what it has
    dying,     // its connection broke or its obituary came; the other of the two is awaited
  };

  PeerId peer{};
  Epoch epoch{};
  State state = State::greeted;
  std::string name;
  std::uint64_t pid = 0;
  std::string supervisor;  // token; empty: nobody will send an obituary
  std::uint32_t credit = 1;
  std::uint32_t concurrency = 1;  // requests that it runs at the same time
  std::uint32_t brokers = 1;      // that it serves: of its time, each has an equal part
  std::uint64_t uid = 0;          // the same at all of them
  std::uint32_t slots() const { return std::min(credit, concurrency); }
  std::uint64_t generation = 0;  // of the code and data that it has loaded
  std::uint64_t schema = 0;      // the hash of what it has announced; 0: nothing
  Service* service = nullptr;

  List<Request, &Request::link> held;  // in order of dispatch
  double held_us = 0;                  // estimated work among them
  bool filling = true;                 // takes more; when it has been full, not until half of that is done

  bool connection_lost = false;
  bool lost_in_service = false;  // it was ready when the first sign of its death came
  std::optional<proto::Obituary> obituary;
  Timer timer{Timer::Kind::worker, this};

  std::size_t shelf = 0;  // where Roster keeps it
  Link<Worker> in_roster;
};

std::string_view to_word(Worker::State state);

// The ready workers of one service, sorted by what they hold: least first, and among equals the one that has been so
// for longest. First come those that run fewer requests than they can at the same time (their concurrency, mostly 1),
// by the number of requests that they hold, then the others, by the work that they hold. Numbers beyond 15, and work,
// are told apart by powers of two (of microseconds), so that every step is O(1).
//
// A worker that has as many requests as its credit takes nothing until half of them are done, and is then filled up again:
// what it gets makes one large bundle, where it would get a small one for each that it sent back, for ever. It does not run
// dry. Where requests take long it is full by their work first, and gets each as soon as there is room.
class Roster {
 public:
  void add(Worker& worker);
  void remove(Worker& worker);
  // To be called after the worker's load has changed.
  void update(Worker& worker);

  // A worker that may take `estimate_us` more, or nullptr. One below its concurrency may take anything, and only such a
  // one what is unmeasured (empty).
  Worker* pick(std::optional<double> estimate_us) const;
  // Of those that may take it, the one that ranks highest for this key: an order of all workers that is the same at every
  // broker and stays as workers come and go. Looks at every worker.
  Worker* pick_for(std::uint64_t affinity, std::optional<double> estimate_us) const;

  std::size_t size() const { return size_; }
  std::size_t slots() const { return slots_; }  // requests that they can run at the same time

 private:
  static constexpr std::size_t kCounted = 16;  // the first shelves have one number of requests each
  static constexpr std::size_t kWaiting =
      kCounted + 4;  // from here on they have no place free, but may take more
  static constexpr std::size_t kFull = kWaiting + 12;  // takes nothing more
  static constexpr std::size_t kShelves = kFull + 1;
  static std::size_t shelf_of(Worker& worker);
  static bool takes(const Worker& worker, std::optional<double> estimate_us);
  void put(Worker& worker, std::size_t shelf);
  void take(Worker& worker);

  std::array<List<Worker, &Worker::in_roster>, kShelves> shelves_;
  std::uint64_t taken_ = 0;  // bit by bit: which shelves have somebody
  std::size_t size_ = 0;
  std::size_t slots_ = 0;
};

}  // namespace samovar::broker
