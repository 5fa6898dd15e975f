// What is to be run: levels of load, each for some time or some number of calls.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/load/arrivals.hpp"
#include "tools/load/tally.hpp"

namespace samovar::load {

// closed: so many calls are under way at any time. open: so many calls are started each second, whatever becomes
// of them.
enum class Loop : std::uint8_t { closed, open };

// Calls under way, or calls a second. A ramp goes evenly from one to the other.
struct Level {
  Loop loop = Loop::closed;
  double from = 1;
  double to = 1;

  bool ramp() const { return from != to; }
  // "64 outstanding", "5,000/s", "1 to 64 outstanding".
  std::string in_words() const;
  bool operator==(const Level&) const = default;
};

struct Phase {
  Level level;
  Spacing spacing = Spacing::poisson;
  Nanoseconds duration{};      // 0: until `requests` have been made
  std::uint64_t requests = 0;  // 0: for `duration`
  std::uint64_t seed = 0;

  Json to_json() const;
  static Phase from_json(const Json& json);
};

// How a whole number, or a whole number of calls, is shared out: as evenly as possible, the first ones get more.
std::uint64_t share_of(std::uint64_t whole, unsigned share, unsigned shares);

// "1,8,64" are calls under way, "1000/s,5000/s" rates. Throws std::invalid_argument with a sentence.
std::vector<Level> parse_steps(const std::string& text);
// "1:64", "100/s:5000/s".
Level parse_ramp(const std::string& text);

}  // namespace samovar::load
