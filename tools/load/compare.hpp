// Says whether one run was better or worse than another. Figures vary from slice to slice of the same run: a difference
// that is not larger than that is none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/load/tally.hpp"

namespace samovar::load {

enum class Verdict : std::uint8_t { better, worse, same, unknown };

std::string to_words(Verdict verdict);

struct Difference {
  std::string what;   // "calls/s", "p50", ...
  double before = 0;  // medians of the slices
  double after = 0;
  double noise = 0;  // what a difference must exceed
  Verdict verdict = Verdict::unknown;
};

// The median of each run's slices; the noise is the larger of their interquartile ranges, and at least 1 %. Fewer than
// 5 slices tell nothing.
Difference compare_slices(const std::string& what, std::vector<double> before, std::vector<double> after,
                          bool more_is_better);

struct ComparedRun {
  std::string level;
  std::vector<Difference> differences;
};

// Of two JSON reports. Steps are compared when both have the same ones. Throws std::invalid_argument with a sentence.
std::vector<ComparedRun> compare(const Json& before, const Json& after);

// What makes the comparison doubtful; one sentence each.
std::vector<std::string> doubts(const Json& before, const Json& after);

// For people.
std::string to_text(const std::vector<ComparedRun>& runs);
bool any_worse(const std::vector<ComparedRun>& runs);

}  // namespace samovar::load
