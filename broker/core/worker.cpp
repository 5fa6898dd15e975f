#include "broker/core/worker.hpp"

#include <bit>

#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

constexpr double kMaxHeldUs =
    static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(limits::kMaxHeldWork).count());

// With a small credit there are no bundles to be made: each request goes out as soon as there is room.
std::size_t refill_mark(std::uint32_t credit) {
  constexpr std::uint32_t kSmall = 16;
  return credit < kSmall ? credit - 1 : credit / 2;
}

}  // namespace

std::string_view to_word(Worker::State state) {
  switch (state) {
    case Worker::State::greeted: return "greeted";
    case Worker::State::ready: return "ready";
    case Worker::State::draining: return "draining";
    case Worker::State::dying: return "dying";
  }
  return "";
}

std::size_t Roster::shelf_of(Worker& worker) {
  const std::size_t held = worker.held.size();
  if (held >= worker.credit) worker.filling = false;
  if (held <= refill_mark(worker.credit)) worker.filling = true;
  if (held == 0) return 0;
  if (!worker.filling || worker.held_us >= kMaxHeldUs) return kFull;
  return 1 + static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(worker.held_us)));
}

void Roster::add(Worker& worker) {
  worker.shelf = shelf_of(worker);
  shelves_[worker.shelf].push_back(worker);
  ++size_;
}

void Roster::remove(Worker& worker) {
  shelves_[worker.shelf].remove(worker);
  --size_;
}

void Roster::update(Worker& worker) {
  const std::size_t shelf = shelf_of(worker);
  if (shelf == worker.shelf) return;
  shelves_[worker.shelf].remove(worker);
  worker.shelf = shelf;
  shelves_[shelf].push_back(worker);
}

Worker* Roster::pick(std::optional<double> estimate_us) const {
  if (Worker* idle = shelves_[0].front()) return idle;
  if (!estimate_us) return nullptr;
  for (std::size_t shelf = 1; shelf < kFull; ++shelf) {
    Worker* worker = shelves_[shelf].front();
    if (!worker) continue;
    // Those on later shelves hold more.
    return worker->held_us + *estimate_us <= kMaxHeldUs ? worker : nullptr;
  }
  return nullptr;
}

}  // namespace samovar::broker
