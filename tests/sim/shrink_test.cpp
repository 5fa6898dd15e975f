#include <algorithm>

#include "tests/sim/shrink.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace samovar::sim;

namespace {

// A promise that nobody gave: no call loses its worker.
std::string no_worker_is_lost(const CallRecord&, const client::Outcome& outcome) {
  return outcome.status == Status::worker_lost ? " lost its worker" : "";
}

}  // namespace

TEST_CASE("A failing world is shrunk to the few calls and faults that it takes") {
  Plan plan;
  plan.trace_length = 100'000;
  plan.rule = no_worker_is_lost;
  std::size_t events_before = 0;
  std::size_t events_after = 0;
  for (int worlds = 0; worlds < 10; ++plan.seed) {
    plan.only.reset();
    const Failure before = run(plan);
    if (before.what.empty()) continue;
    worlds += 1;
    const Failure after = shrink(plan);
    INFO("of seed " << plan.seed << " " << before.trace.size() << " events, then " << after.trace.size()
                    << ": " << to_text(after.parts));
    CHECK(after.what.ends_with(" lost its worker"));
    events_before += before.trace.size();
    events_after += after.trace.size();

    plan.only = to_parts(to_text(after.parts));
    CHECK(run(plan).trace == after.trace);
    for (const auto& part : after.parts) {
      plan.only = after.parts;
      plan.only->erase(part);
      CHECK_FALSE(run(plan).what.ends_with(" lost its worker"));
    }
  }
  CHECK(events_after * 5 < events_before);
}

TEST_CASE("What is left out of a world leaves the calls and faults that remain as they are") {
  Plan plan;
  plan.only = Parts{"everything"};
  plan.trace_length = 100'000;
  const Failure all = run(plan);
  plan.only = Parts{"call 0", "call 9"};
  const Failure some = run(plan);
  const auto calls_of = [](const Failure& failure) {
    std::set<std::string> calls;
    for (const auto& event : failure.trace) {
      if (event.find(" calls ") != std::string::npos) calls.insert(event.substr(event.find("] ")));
    }
    return calls;
  };
  const auto of_all = calls_of(all);
  const auto of_some = calls_of(some);
  CHECK(of_some.size() == 2);
  CHECK(std::includes(of_all.begin(), of_all.end(), of_some.begin(), of_some.end()));
}
