#include "tools/load/engine.hpp"

#include <sys/resource.h>
#include <ctime>

#include <algorithm>
#include <limits>
#include <thread>

#include "tools/load/pacer.hpp"

namespace samovar::load {
namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 50ms;  // how often a stop is looked for
constexpr auto kGrace = 1s;   // for calls that are under way when the run is stopped

Nanoseconds this_thread_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

Nanoseconds process_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double share(Nanoseconds cpu, Nanoseconds time) {
  return time > 0ns ? std::chrono::duration<double>(cpu) / std::chrono::duration<double>(time) : 0;
}

}  // namespace

Engine::Engine(const Setup& setup, const Deck& deck, Progress& progress, unsigned process)
    : setup_(setup), progress_(progress), process_(process) {
  for (unsigned i = 0; i < setup.connections; ++i) {
    // Numbered so that the first calls go to different processes.
    const unsigned index = i * setup.processes + process;
    connections_.push_back(std::make_unique<Connection>(setup, deck, budget_, progress, index));
  }
}

std::optional<std::string> Engine::connect() {
  for (auto& connection : connections_) {
    if (auto error = connection->greet()) return error;
  }
  return std::nullopt;
}

Tally Engine::run(const Phase& phase, TimePoint start) {
  const bool timed = phase.duration > 0ns;
  const auto window_end = timed ? start + phase.duration : TimePoint::max();
  budget_.set(phase.requests > 0 ? std::optional(share_of(phase.requests, process_, setup_.processes))
                                 : std::nullopt);
  for (auto& connection : connections_) connection->begin(phase, start, window_end);

  std::this_thread::sleep_until(start);
  const auto before = cpu_times();
  Tally tally;
  if (phase.level.loop == Loop::open) {
    tally.lateness = make_open_loop(phase, start);
  } else {
    for (auto& connection : connections_) connection->start_loop();
  }
  if (timed) sleep_until_end(window_end, /*or_idle=*/phase.requests > 0);
  const bool complete = timed && Clock::now() >= window_end;
  if (!timed) drain();
  const auto after = cpu_times();
  drain();

  for (auto& connection : connections_) tally.merge(connection->end());
  if (complete) tally.window_s = std::chrono::duration<double>(phase.duration).count();
  const auto time = after.at - before.at;
  tally.busiest_process = share(after.process - before.process, time);
  for (std::size_t i = 0; i < after.threads.size(); ++i) {
    tally.busiest_thread = std::max(tally.busiest_thread, share(after.threads[i] - before.threads[i], time));
  }
  return tally;
}

Distribution Engine::make_open_loop(const Phase& phase, TimePoint start) {
  const auto duration = phase.duration > 0ns ? phase.duration : Nanoseconds(24h);
  Arrivals arrivals({phase.level.from, phase.level.to}, duration, phase.spacing, phase.seed, process_,
                    setup_.processes);
  std::size_t turn = 0;
  RealTime time;
  return pace(
      arrivals, start, time,
      [&](TimePoint intended) {
        if (!budget_.take()) return false;
        connections_[turn++ % connections_.size()]->start(intended);
        return true;
      },
      [this] { return stopped(); });
}

// Or until all calls have ended, when their number was given, or the run is stopped.
void Engine::sleep_until_end(TimePoint window_end, bool or_idle) {
  for (auto now = Clock::now(); now < window_end && !stopped(); now = Clock::now()) {
    const auto look = std::min(now + kLook, window_end);
    bool idle = true;
    for (auto& connection : connections_) idle = connection->drain(look) && idle;
    if (idle && or_idle) return;
    std::this_thread::sleep_until(look);
  }
}

void Engine::drain() {
  auto end = TimePoint::max();
  for (auto& connection : connections_) {
    while (!connection->drain(std::min(end, Clock::now() + kLook))) {
      if (!stopped()) continue;
      end = std::min(end, Clock::now() + kGrace);
      if (Clock::now() < end) continue;
      connection->abandon();
      break;
    }
  }
}

Engine::CpuTimes Engine::cpu_times() const {
  CpuTimes times{Clock::now(), process_time(), {}};
  for (const auto& connection : connections_) times.threads.push_back(connection->cpu_time());
  times.threads.push_back(this_thread_time());
  return times;
}

}  // namespace samovar::load
