// Random worlds, each from a seed. SAMOVAR_SIM_SEED is the first seed, SAMOVAR_SIM_RUNS how many
// follow; a failure prints its last SAMOVAR_SIM_TRACE events.
#include <cstdlib>
#include <iostream>

#include "tests/sim/world.hpp"
#include "tests/support/catch.hpp"

using namespace samovar::sim;

namespace {

constexpr std::uint64_t kFirstSeed = 20'240'501;
constexpr std::uint64_t kRuns = 1'500;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("Whatever happens, every call ends once and rightly") {
  const auto first = from_environment("SAMOVAR_SIM_SEED", kFirstSeed);
  const auto runs = from_environment("SAMOVAR_SIM_RUNS", kRuns);
  Tally tally;
  for (auto seed = first; seed < first + runs; ++seed) {
    const std::string failure = World(seed, tally, 0).run();
    if (failure.empty()) continue;
    // The same again, with a trace.
    Tally ignored;
    World world(seed, ignored, from_environment("SAMOVAR_SIM_TRACE", 100));
    const std::string again = world.run();
    std::string trace;
    for (const auto& event : world.last_events()) trace += event + "\n";
    FAIL("seed " << seed << ": " << failure << "\n(again: " << again << ")\n"
                 << trace << "To run it alone: SAMOVAR_SIM_SEED=" << seed << " SAMOVAR_SIM_RUNS=1 test_sim");
  }
  if (std::getenv("SAMOVAR_SIM_TALLY")) {
    for (const auto& [what, count] : tally.counts) std::cout << what << " " << count << "\n";
  }
  if (runs < 500) return;
  // A simulator that never gets somewhere proves nothing about it.
  for (const char* what : {"outcome.ok",
                           "outcome.app_error.worker",
                           "outcome.cancelled.client",
                           "outcome.deadline_exceeded.queued",
                           "outcome.deadline_exceeded.running",
                           "outcome.worker_lost.running",
                           "outcome.broker_lost.client",
                           "outcome.unavailable.queued",
                           "outcome.overloaded.broker",
                           "broker.requeued",
                           "broker.retried",
                           "broker.late_replies",
                           "broker.hopeless",
                           "broker.stale_epochs",
                           "broker.client_gone",
                           "broker.shared",
                           "broker.quarantined",
                           "client.sent_again",
                           "broker.items",
                           "broker.late_items",
                           "sim.items",
                           "sim.streams_cancelled",
                           "sim.streams_idle",
                           "sim.streams_rested",
                           "sim.streams_spoilt",
                           "sim.run_again",
                           "sim.calm_runs",
                           "sim.crashes",
                           "sim.pauses",
                           "sim.drains",
                           "sim.broker_stops"}) {
    INFO(what);
    CHECK(tally.counts[what] > 0);
  }
}
