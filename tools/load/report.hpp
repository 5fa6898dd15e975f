// What a run of the tool found: one or several runs at some level of load. The JSON report is what scripts, compare
// and the HTML report read.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "tools/load/objective.hpp"
#include "tools/load/plan.hpp"
#include "tools/load/tally.hpp"

namespace samovar::load {

struct Run {
  Level level;
  Tally tally;
};

// One rate that was tried in the search for the highest.
struct Trial {
  double rate = 0;
  bool held = false;
  std::string why;  // in words, what held or did not
};

struct Report {
  Json settings;  // what was asked for
  std::vector<Run> runs;
  std::vector<Trial> trials;
  std::optional<double> found_rate;  // the highest that held; then `runs` is the run with it
  bool interrupted = false;

  // All runs as one.
  Tally total() const;
  bool searched() const { return !trials.empty(); }
};

Json to_json(const Report& report);

// What is doubtful about the figures of a run; one sentence each.
std::vector<std::string> warnings_about(const Run& run);

// Percentiles ever closer to 100, as far as the number of calls goes.
std::vector<double> percentiles_for(std::uint64_t count);

// For people.
std::string summary(const Report& report);
// A line for each run.
std::string to_csv(const Report& report);
// In the format of HdrHistogram's percentile files, in milliseconds.
std::string to_percentile_file(const Report& report);

}  // namespace samovar::load
