// A failing world made as small as it goes: calls, workers, faults and bad habits are left out as long as the same kind
// of promise still breaks.
#pragma once

#include <deque>
#include <string>

#include "tests/sim/world.hpp"

namespace samovar::sim {

struct Failure {
  std::string what;  // empty: none
  Parts parts;       // what is left
  std::deque<std::string> trace;
};

// The run of the plan; with its parts if plan.only is there.
Failure run(const Plan& plan);

// The smallest that is found. `plan` must fail.
Failure shrink(Plan plan);

// Parts as text, "call 3,fault 17,lies", and back.
std::string to_text(const Parts& parts);
Parts to_parts(const std::string& text);

}  // namespace samovar::sim
