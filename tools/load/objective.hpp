// What a run is to hold: "p99<5ms", "errors<0.1%", "rps>=10000".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/load/tally.hpp"

namespace samovar::load {

struct Objective {
  enum class Metric : std::uint8_t { percentile, mean, max, errors, error_share, rps };
  enum class Relation : std::uint8_t { less, at_most, more, at_least };

  std::string text;  // as it was typed
  Metric metric = Metric::percentile;
  double percent = 0;  // for a percentile
  Relation relation = Relation::less;
  double limit = 0;  // latencies in microseconds

  // A run without a single success holds nothing that is said about latency.
  bool holds(const Tally& tally) const;
  double value(const Tally& tally) const;
  std::string value_in_words(const Tally& tally) const;
};

// Several are separated by commas. Throws std::invalid_argument with a sentence; `option` is named in it.
std::vector<Objective> parse_objectives(const std::string& option, const std::string& text);

bool all_hold(const std::vector<Objective>& objectives, const Tally& tally);

}  // namespace samovar::load
