// Random worlds, each from a seed. SAMOVAR_SIM_SEED is the first seed, SAMOVAR_SIM_RUNS how many follow. Of a failure the
// smallest world is sought that still fails (SAMOVAR_SIM_ONLY: its parts), and its last SAMOVAR_SIM_TRACE events printed;
// 0: neither.
#include <cstdlib>
#include <iostream>

#include "tests/sim/shrink.hpp"
#include "tests/support/catch.hpp"

using namespace samovar::sim;

namespace {

constexpr std::uint64_t kFirstSeed = 20'240'501;
constexpr std::uint64_t kRuns = 20'000;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// The same again: as it was, and as small as it goes.
void report(Plan plan, const std::string& failure) {
  const std::string seed = std::to_string(plan.seed);
  std::string text = "seed " + seed + ": " + failure + "\n";
  plan.trace_length = from_environment("SAMOVAR_SIM_TRACE", 200);
  const bool shrinks = plan.trace_length > 0 && !plan.only;
  const Failure again = shrinks ? shrink(plan) : run(plan);
  for (const auto& event : again.trace) text += event + "\n";
  text += "To run it alone: SAMOVAR_SIM_SEED=" + seed + " SAMOVAR_SIM_RUNS=1";
  if (shrinks) text += " SAMOVAR_SIM_ONLY='" + to_text(again.parts) + "'";
  FAIL(text << " test_sim");
}

}  // namespace

TEST_CASE("Whatever happens, every call ends once and rightly") {
  const auto first = from_environment("SAMOVAR_SIM_SEED", kFirstSeed);
  const auto runs = from_environment("SAMOVAR_SIM_RUNS", kRuns);
  Tally tally;
  Plan plan;
  if (const char* only = std::getenv("SAMOVAR_SIM_ONLY")) plan.only = to_parts(only);
  for (plan.seed = first; plan.seed < first + runs; ++plan.seed) {
    const std::string failure = World(plan, tally).run();
    if (!failure.empty()) report(plan, failure);
  }
  if (std::getenv("SAMOVAR_SIM_TALLY")) {
    for (const auto& [what, count] : tally.counts) std::cout << what << " " << count << "\n";
  }
  if (runs < 500) return;
  // A simulator that never gets somewhere proves nothing about it.
  for (const char* what : {"outcome.ok",
                           "outcome.app_error.worker",
                           "outcome.cancelled.client",
                           "outcome.deadline_exceeded.client",
                           "outcome.deadline_exceeded.queued",
                           "outcome.deadline_exceeded.running",
                           "outcome.worker_lost.running",
                           "outcome.broker_lost.client",
                           "outcome.unavailable.queued",
                           "outcome.overloaded.broker",
                           "outcome.schema_mismatch.broker",
                           "broker.requeued",
                           "broker.retried",
                           "broker.late_replies",
                           "broker.hopeless",
                           "broker.stale_epochs",
                           "broker.client_gone",
                           "broker.shared",
                           "broker.quarantined",
                           "client.sent_again",
                           "client.retries",
                           "client.hedges",
                           "client.hedges_won",
                           "client.late_replies",
                           "broker.items",
                           "broker.late_items",
                           "sim.items",
                           "sim.replies_to_earlier_attempts",
                           "sim.streams_cancelled",
                           "sim.streams_idle",
                           "sim.streams_rested",
                           "sim.streams_spoilt",
                           "sim.run_again",
                           "sim.calm_runs",
                           "sim.crashes",
                           "sim.pauses",
                           "sim.client_crashes",
                           "sim.client_pauses",
                           "sim.supervisor_crashes",
                           "sim.drains",
                           "sim.broker_stops"}) {
    INFO(what);
    CHECK(tally.counts[what] > 0);
  }
}
