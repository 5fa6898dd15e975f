#include "tools/load/run.hpp"

#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <csignal>
#include <utility>

#include "tools/load/display.hpp"
#include "tools/load/fleet.hpp"
#include "tools/load/quantity.hpp"
#include "tools/load/search.hpp"

namespace samovar::load {
namespace {

using namespace std::chrono_literals;

constexpr double kProbeOutstanding = 64;  // of the closed loop that gives the search its first rate
// So many of the calls of an open loop may be under way when its time is over, beside those that are expected to be.
constexpr double kBehind = 0.05;

std::atomic<bool>* stop_flag = nullptr;
static_assert(std::atomic<bool>::is_always_lock_free);

// The second signal ends the program.
void on_signal(int number) {
  stop_flag->store(true, std::memory_order_relaxed);
  std::signal(number, SIG_DFL);
}

class Session {
 public:
  explicit Session(const Options& options)
      : options_(options),
        deck_(options.methods, options.phase.seed),
        fleet_(options.setup, deck_),
        display_(options.quiet, fleet_.progress()) {
    stop_flag = &fleet_.progress().stop;
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
  }
  ~Session() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Report make_report() {
    fleet_.connect();
    Report report;
    if (options_.searched.empty()) {
      for (const auto& level : options_.levels) {
        if (!stopped()) report.runs.push_back(run(level));
      }
    } else {
      search(report);
    }
    report.settings = options_.settings;
    report.interrupted = stopped();
    return report;
  }

 private:
  bool stopped() const { return stop_flag->load(std::memory_order_relaxed); }

  Run run(const Level& level) {
    Phase phase = options_.phase;
    phase.level = level;
    if (options_.warmup > 0ns) {
      Phase warmup = phase;
      warmup.duration = options_.warmup;
      warmup.requests = 0;
      warmup.level.from = warmup.level.to = std::max(1.0, level.from);  // a ramp may begin with 0
      run(warmup, "warm-up");
    }
    return {level, run(phase, level.in_words())};
  }

  Tally run(const Phase& phase, const std::string& title) {
    display_.begin(title);
    auto tally = fleet_.run(phase, [this](double seconds) { display_.tick(seconds); });
    display_.clear();
    return tally;
  }

  Trial judge(double rate, const Run& run) const {
    Trial trial{rate, true, ""};
    for (const auto& objective : options_.searched) {
      trial.held = trial.held && objective.holds(run.tally);
      trial.why +=
          (trial.why.empty() ? "" : ", ") + objective.text + ": " + objective.value_in_words(run.tally);
    }
    const auto& tally = run.tally;
    const auto under_way = static_cast<double>(tally.ok - tally.ok_in_window);
    const double expected = rate * tally.latency.percentile(10) / 1e9 + 2;
    if (under_way > expected + kBehind * static_cast<double>(tally.requests())) {
      trial.held = false;
      trial.why += fmt::format("; it fell behind, to {} calls/s", rate_in_words(tally.throughput()));
    }
    // The latency counts from when a call was to start: a rate that held with calls that were late has held.
    if (!trial.held && !warnings_about(run).empty()) trial.why += "; samovar-load itself was late";
    return trial;
  }

  double first_rate() {
    if (options_.search_start) return *options_.search_start;
    Phase probe;
    probe.level = {Loop::closed, kProbeOutstanding, kProbeOutstanding};
    probe.duration = 1s;
    return std::max(1.0, run(probe, "a first look").throughput() / 2);
  }

  void search(Report& report) {
    Search search(first_rate());
    std::optional<Run> best;
    for (auto rate = search.next(); rate && !stopped(); rate = search.next()) {
      Run one = run({Loop::open, *rate, *rate});
      if (stopped()) break;
      report.trials.push_back(judge(*rate, one));
      search.tell(report.trials.back().held);
      best = std::move(one);  // the last one is the one that was found
    }
    report.found_rate = search.found();
    if (best) report.runs.push_back(std::move(*best));
  }

  const Options& options_;
  const Deck deck_;
  Fleet fleet_;
  Display display_;
};

}  // namespace

Report run(const Options& options) {
  Session session(options);
  return session.make_report();
}

}  // namespace samovar::load
