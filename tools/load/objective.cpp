#include "tools/load/objective.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "tools/common/arguments.hpp"
#include "tools/load/quantity.hpp"

namespace samovar::load {
namespace {

using Metric = Objective::Metric;
using Relation = Objective::Relation;

bool is_latency(Metric metric) {
  return metric == Metric::percentile || metric == Metric::mean || metric == Metric::max;
}

// "p99", "p99.9", and "p999" as in the names of the JSON report.
std::optional<double> parse_percentile(const std::string& name) {
  if (name.size() < 2 || name[0] != 'p') return std::nullopt;
  std::string digits = name.substr(1);
  if (digits.starts_with("99") && digits.find('.') == std::string::npos && digits.size() > 2)
    digits.insert(2, ".");
  const auto percent = parse_number(digits);
  return percent && *percent > 0 && *percent <= 100 ? percent : std::nullopt;
}

std::optional<Relation> parse_relation(const std::string& sign) {
  if (sign == "<") return Relation::less;
  if (sign == "<=") return Relation::at_most;
  if (sign == ">") return Relation::more;
  return sign == ">=" ? std::optional(Relation::at_least) : std::nullopt;
}

Objective parse_one(const std::string& option, const std::string& text) {
  const auto wrong = [&](const std::string& why) {
    return std::invalid_argument(option + " '" + text + "': " + why);
  };
  const auto sign = text.find_first_of("<>=");
  const auto after = text.find_first_not_of("<>=", sign);
  if (sign == std::string::npos || after == std::string::npos) {
    throw wrong("write METRIC<LIMIT, such as p99<5ms, errors<0.1% or rps>1000");
  }
  const std::string name = text.substr(0, sign);
  std::string limit = text.substr(after);
  Objective objective;
  objective.text = text;
  const auto relation = parse_relation(text.substr(sign, after - sign));
  if (!relation) throw wrong("compare with <, <=, > or >=");
  objective.relation = *relation;

  if (const auto percent = parse_percentile(name)) {
    objective.percent = *percent;
  } else if (name == "mean") {
    objective.metric = Metric::mean;
  } else if (name == "max") {
    objective.metric = Metric::max;
  } else if (name == "rps" || name == "throughput_rps") {
    objective.metric = Metric::rps;
  } else if (name == "errors") {
    objective.metric = limit.ends_with('%') ? Metric::error_share : Metric::errors;
  } else {
    throw wrong("'" + name + "' is none of p50, p90, p99, p99.9, mean, max, errors and rps");
  }

  std::optional<double> value;
  if (is_latency(objective.metric)) {
    const auto duration = tools::parse_duration(limit);
    if (!duration || parse_number(limit)) throw wrong("give the limit a unit: 500us, 5ms or 1s");
    value = static_cast<double>(duration->count());
  } else {
    if (objective.metric == Metric::error_share) limit.pop_back();
    value = parse_number(limit);
    if (value && objective.metric == Metric::error_share) *value /= 100;
  }
  if (!value || *value < 0) throw wrong("'" + limit + "' is no number");
  objective.limit = *value;
  return objective;
}

}  // namespace

double Objective::value(const Tally& tally) const {
  switch (metric) {
    case Metric::percentile: return tally.latency.percentile(percent) / 1e3;
    case Metric::mean: return tally.latency.mean() / 1e3;
    case Metric::max: return tally.latency.max() / 1e3;
    case Metric::errors: return static_cast<double>(tally.failed);
    case Metric::error_share: return tally.failed_share();
    case Metric::rps: return tally.throughput();
  }
  return 0;
}

std::string Objective::value_in_words(const Tally& tally) const {
  const double number = value(tally);
  if (is_latency(metric)) return tally.latency.empty() ? "no call succeeded" : duration_in_words(number);
  if (metric == Metric::error_share) return share_in_words(number);
  return metric == Metric::rps ? rate_in_words(number) + "/s" : with_commas(tally.failed);
}

bool Objective::holds(const Tally& tally) const {
  if (is_latency(metric) && tally.latency.empty()) return false;
  const double number = value(tally);
  switch (relation) {
    case Relation::less: return number < limit;
    case Relation::at_most: return number <= limit;
    case Relation::more: return number > limit;
    case Relation::at_least: return number >= limit;
  }
  return false;
}

std::vector<Objective> parse_objectives(const std::string& option, const std::string& text) {
  std::vector<Objective> objectives;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    part.erase(std::remove(part.begin(), part.end(), ' '), part.end());
    objectives.push_back(parse_one(option, part));
  }
  if (objectives.empty()) throw std::invalid_argument(option + ": write METRIC<LIMIT, such as p99<5ms");
  return objectives;
}

bool all_hold(const std::vector<Objective>& objectives, const Tally& tally) {
  return std::all_of(objectives.begin(), objectives.end(),
                     [&](const auto& each) { return each.holds(tally); });
}

}  // namespace samovar::load
