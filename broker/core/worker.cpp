#include "broker/core/worker.hpp"

#include <bit>

#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

constexpr double kMaxHeldUs =
    static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(limits::kMaxHeldWork).count());

// Estimated work that one broker gives it: all of them together no more than a single one would.
double max_held_us(const Worker& worker) {
  return kMaxHeldUs / worker.brokers;
}

// Rendezvous hashing: where a worker ranks for a key.
std::uint64_t rank(std::uint64_t affinity, const Worker& worker) {
  auto z = affinity ^ (worker.uid * 0x9e37'79b9'7f4a'7c15);
  z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
  z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
  return z ^ (z >> 31);
}

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
  if (held < worker.concurrency && held < worker.credit) {
    return held < kCounted ? held : kCounted - 5 + static_cast<std::size_t>(std::bit_width(held));
  }
  if (!worker.filling || worker.held_us >= max_held_us(worker)) return kFull;
  return kWaiting + static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(worker.held_us)));
}

void Roster::put(Worker& worker, std::size_t shelf) {
  worker.shelf = shelf;
  shelves_[shelf].push_back(worker);
  taken_ |= std::uint64_t{1} << shelf;
}

void Roster::take(Worker& worker) {
  auto& shelf = shelves_[worker.shelf];
  shelf.remove(worker);
  if (shelf.empty()) taken_ &= ~(std::uint64_t{1} << worker.shelf);
}

void Roster::add(Worker& worker) {
  put(worker, shelf_of(worker));
  ++size_;
  slots_ += worker.slots();
}

void Roster::remove(Worker& worker) {
  take(worker);
  --size_;
  slots_ -= worker.slots();
}

void Roster::update(Worker& worker) {
  const std::size_t shelf = shelf_of(worker);
  if (shelf == worker.shelf) return;
  take(worker);
  put(worker, shelf);
}

Worker* Roster::pick(std::optional<double> estimate_us) const {
  const auto shelf = static_cast<std::size_t>(std::countr_zero(taken_));
  if (shelf < kWaiting) return shelves_[shelf].front();
  if (shelf >= kFull || !estimate_us) return nullptr;
  // Those on later shelves hold more.
  Worker* worker = shelves_[shelf].front();
  return takes(*worker, estimate_us) ? worker : nullptr;
}

bool Roster::takes(const Worker& worker, std::optional<double> estimate_us) {
  if (worker.shelf < kWaiting) return true;
  return worker.shelf < kFull && estimate_us && worker.held_us + *estimate_us <= max_held_us(worker);
}

Worker* Roster::pick_for(std::uint64_t affinity, std::optional<double> estimate_us) const {
  Worker* best = nullptr;
  std::uint64_t best_rank = 0;
  for (std::size_t shelf = 0; shelf < kFull; ++shelf) {
    for (Worker* worker = shelves_[shelf].front(); worker; worker = shelves_[shelf].next(*worker)) {
      if (!takes(*worker, estimate_us)) continue;
      const auto its_rank = rank(affinity, *worker);
      if (!best || its_rank > best_rank) best = worker, best_rank = its_rank;
    }
  }
  return best;
}

}  // namespace samovar::broker
