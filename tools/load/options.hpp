// What is typed on the command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/load/connection.hpp"
#include "tools/load/deck.hpp"
#include "tools/load/objective.hpp"
#include "tools/load/plan.hpp"

namespace samovar::load {

enum ExitCode : int {
  kFine = 0,
  kNotHeld = 1,  // an objective of --assert, no rate of --find-max; compare: worse
  kUsage = 2,
  kNothingMeasured = 3,
  kInterrupted = 130,
};

struct Options {
  Setup setup;
  std::vector<Method> methods;
  std::vector<Level> levels;
  Phase phase;  // of each level, but for the level itself
  Nanoseconds warmup{};
  std::vector<Objective> asserted;
  std::vector<Objective> searched;     // --find-max
  std::optional<double> search_start;  // the first rate of the search
  std::string json_file;
  std::string csv_file;
  std::string percentile_file;
  std::string html_file;
  bool quiet = false;
  Json settings;  // all of this for the report
};

struct Comparison {
  std::string before;
  std::string after;
};

struct Command {
  std::optional<Comparison> compare;
  std::optional<Options> run;
  int exit_code = kFine;  // when there is neither
};

// --help and wrong options are answered here. Throws std::invalid_argument with a sentence for wrong values.
Command parse_command_line(int argc, char** argv);

}  // namespace samovar::load
