#include "tests/sim/shrink.hpp"

#include <algorithm>
#include <cctype>

namespace samovar::sim {

namespace {

// The sentence without its names and numbers.
std::string kind_of(std::string what) {
  std::erase_if(what, [](unsigned char c) { return std::isdigit(c) != 0; });
  return what;
}

}  // namespace

Failure run(const Plan& plan) {
  Tally ignored;
  World world(plan, ignored);
  Failure failure;
  failure.what = world.run();
  failure.parts = world.parts();
  failure.trace = world.last_events();
  return failure;
}

Failure shrink(Plan plan) {
  plan.only = Parts{"everything"};
  Failure smallest = run(plan);
  const auto kind = kind_of(smallest.what);
  const auto without = [&](std::size_t from, std::size_t count) {
    auto first = smallest.parts.begin();
    std::advance(first, from);
    auto last = first;
    std::advance(last, std::min(count, smallest.parts.size() - from));
    plan.only = Parts(smallest.parts.begin(), first);
    plan.only->insert(last, smallest.parts.end());
    Failure failure = run(plan);
    if (kind_of(failure.what) != kind) return false;
    smallest = std::move(failure);
    return true;
  };
  bool shrunk = true;
  for (std::size_t chunk = smallest.parts.size(); chunk > 0; chunk = chunk > 1 ? chunk / 2 : shrunk ? 1 : 0) {
    shrunk = false;
    for (std::size_t at = 0; at < smallest.parts.size();) {
      if (without(at, chunk)) {
        shrunk = true;
      } else {
        at += chunk;
      }
    }
  }
  plan.only = smallest.parts;
  return smallest;
}

std::string to_text(const Parts& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

Parts to_parts(const std::string& text) {
  Parts parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.insert(part);
  return parts;
}

}  // namespace samovar::sim
