#include "tools/load/plan.hpp"

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "tools/load/quantity.hpp"

namespace samovar::load {
namespace {

constexpr double kMostOutstanding = 1e6;  // what a client takes in
constexpr double kHighestRate = 1e8;

// One number, with "/s" behind it for a rate. `context` is the option with its text.
Level parse_level(std::string text, const std::string& context) {
  Level level;
  if (text.size() > 2 && text.ends_with("/s")) {
    level.loop = Loop::open;
    text.resize(text.size() - 2);
  }
  const auto number = parse_number(text);
  const bool open = level.loop == Loop::open;
  if (!number || *number < 0 || *number > (open ? kHighestRate : kMostOutstanding) ||
      (!open && *number != std::floor(*number))) {
    throw std::invalid_argument(context + ": '" + text +
                                "' is neither a number of calls under way, 64, nor a rate, 5000/s");
  }
  level.from = level.to = *number;
  return level;
}

std::vector<Level> parse_levels(const std::string& text, char separator, const std::string& context) {
  std::vector<Level> levels;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    levels.push_back(parse_level(part, context));
    if (levels.back().loop != levels.front().loop) {
      throw std::invalid_argument(context + ": calls under way and rates cannot be mixed");
    }
  }
  return levels;
}

}  // namespace

std::string Level::in_words() const {
  const auto one = [this](double value) {
    return loop == Loop::open ? rate_in_words(value) : with_commas(static_cast<std::uint64_t>(value));
  };
  return (ramp() ? one(from) + " to " + one(to) : one(from)) + (loop == Loop::open ? "/s" : " outstanding");
}

Json Phase::to_json() const {
  return {{"open", level.loop == Loop::open},
          {"from", level.from},
          {"to", level.to},
          {"even", spacing == Spacing::even},
          {"duration_ns", duration.count()},
          {"requests", requests},
          {"seed", seed}};
}

Phase Phase::from_json(const Json& json) {
  Phase phase;
  phase.level = {json.at("open").get<bool>() ? Loop::open : Loop::closed, json.at("from"), json.at("to")};
  phase.spacing = json.at("even").get<bool>() ? Spacing::even : Spacing::poisson;
  phase.duration = Nanoseconds(json.at("duration_ns").get<std::int64_t>());
  phase.requests = json.at("requests");
  phase.seed = json.at("seed");
  return phase;
}

std::uint64_t share_of(std::uint64_t whole, unsigned share, unsigned shares) {
  return whole / shares + (share < whole % shares ? 1 : 0);
}

std::vector<Level> parse_steps(const std::string& text) {
  const auto context = "--steps " + text;
  auto levels = parse_levels(text, ',', context);
  for (const auto& level : levels) {
    if (level.from == 0) throw std::invalid_argument(context + ": a step of 0 makes no calls");
  }
  if (levels.empty()) throw std::invalid_argument("--steps: write 1,8,64 or 1000/s,5000/s");
  return levels;
}

Level parse_ramp(const std::string& text) {
  const auto ends = parse_levels(text, ':', "--ramp " + text);
  if (ends.size() != 2 || (ends[0].from == 0 && ends[1].from == 0)) {
    throw std::invalid_argument("--ramp " + text + ": write FROM:TO, such as 1:64 or 100/s:5000/s");
  }
  return {ends[0].loop, ends[0].from, ends[1].from};
}

}  // namespace samovar::load
