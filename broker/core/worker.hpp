// A worker as its broker sees it, and the choice among those of a service.
#pragma once

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
  Service* service = nullptr;

  List<Request, &Request::link> held;  // in order of dispatch
  double held_us = 0;                  // estimated work among them
  bool filling = true;                 // takes more; when it has been full, not until half of that is done

  bool connection_lost = false;
  std::optional<proto::Obituary> obituary;
  Timer timer{Timer::Kind::worker, this};

  std::size_t shelf = 0;  // where Roster keeps it
  Link<Worker> in_roster;
};

std::string_view to_word(Worker::State state);

// The ready workers of one service, sorted by the work they hold: least first, and among equals the one that has
// been so for longest. Loads are told apart by powers of two of microseconds, so that every step is O(1).
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

  // A worker that may take `estimate_us` more (empty: unmeasured, which only an idle one may), or nullptr.
  Worker* pick(std::optional<double> estimate_us) const;

  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kShelves = 16;
  static constexpr std::size_t kFull = kShelves - 1;  // takes nothing more
  static std::size_t shelf_of(Worker& worker);

  std::array<List<Worker, &Worker::in_roster>, kShelves> shelves_;
  std::size_t size_ = 0;
};

}  // namespace samovar::broker
