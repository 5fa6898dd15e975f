#include "tools/load/compare.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "tools/common/table.hpp"
#include "tools/load/quantity.hpp"

namespace samovar::load {
namespace {

constexpr std::size_t kFewestSlices = 5;
constexpr double kLeastNoise = 0.01;  // of the value before
constexpr double kLeastErrors = 0.001;

// Between two neighbours by their distances.
double quantile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const auto high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - static_cast<double>(low));
}

Verdict judge(double before, double after, double noise, bool more_is_better) {
  if (std::abs(after - before) <= noise) return Verdict::same;
  return (after > before) == more_is_better ? Verdict::better : Verdict::worse;
}

std::vector<double> values_of(const Json& run, const char* key) {
  std::vector<double> values;
  for (const auto& slice : run.at("slices")) {
    if (slice.at("rps") > 0) values.push_back(slice.at(key));
  }
  return values;
}

ComparedRun compare_runs(const Json& before, const Json& after) {
  ComparedRun compared{before.at("level").at("text"), {}};
  const auto add = [&](const char* what, const char* key, bool more_is_better) {
    compared.differences.push_back(
        compare_slices(what, values_of(before, key), values_of(after, key), more_is_better));
  };
  add("calls/s", "rps", true);
  add("p50", "p50", false);
  add("p99", "p99", false);
  Difference errors{"errors", before.at("error_share"), after.at("error_share"), kLeastErrors, Verdict::same};
  errors.verdict = judge(errors.before, errors.after, errors.noise, false);
  compared.differences.push_back(std::move(errors));
  return compared;
}

std::string value_in_words(const std::string& what, double value) {
  if (what == "errors") return share_in_words(value);
  return what == "calls/s" ? rate_in_words(value) : duration_in_words(value);
}

std::vector<Json> runs_of(const Json& report) {
  if (report.contains("steps")) return report["steps"].get<std::vector<Json>>();
  return {report};
}

}  // namespace

std::string to_words(Verdict verdict) {
  switch (verdict) {
    case Verdict::better: return "better";
    case Verdict::worse: return "worse";
    case Verdict::same: return "no difference beyond the noise";
    case Verdict::unknown: break;
  }
  return "too short a run to tell";
}

Difference compare_slices(const std::string& what, std::vector<double> before, std::vector<double> after,
                          bool more_is_better) {
  Difference difference{what, 0, 0, 0, Verdict::unknown};
  double spread = 0;
  for (auto* values : {&before, &after}) {
    if (values->empty()) return difference;
    std::sort(values->begin(), values->end());
    spread = std::max(spread, quantile(*values, 0.75) - quantile(*values, 0.25));
  }
  difference.before = quantile(before, 0.5);
  difference.after = quantile(after, 0.5);
  difference.noise = std::max(spread, kLeastNoise * difference.before);
  if (std::min(before.size(), after.size()) >= kFewestSlices) {
    difference.verdict = judge(difference.before, difference.after, difference.noise, more_is_better);
  }
  return difference;
}

std::vector<ComparedRun> compare(const Json& before, const Json& after) {
  const auto befores = runs_of(before);
  const auto afters = runs_of(after);
  std::vector<ComparedRun> compared;
  try {
    if (befores.size() != afters.size())
      throw std::invalid_argument("the reports do not have the same steps");
    for (std::size_t i = 0; i < befores.size(); ++i) compared.push_back(compare_runs(befores[i], afters[i]));
  } catch (const Json::exception&) {
    throw std::invalid_argument("this is no report that samovar-load --json wrote");
  }
  return compared;
}

std::vector<std::string> doubts(const Json& before, const Json& after) {
  std::vector<std::string> sentences;
  for (const char* key : {"methods", "levels", "connections", "processes", "endpoint"}) {
    const Json one = before.at("settings").value(key, Json());
    const Json other = after.at("settings").value(key, Json());
    if (one != other)
      sentences.push_back(fmt::format("the runs differ in {}: {} and {}", key, one.dump(), other.dump()));
  }
  for (const auto* report : {&before, &after}) {
    for (const auto& warning : report->at("warnings")) {
      sentences.push_back((report == &before ? "before: " : "after: ") + warning.get<std::string>());
    }
  }
  return sentences;
}

std::string to_text(const std::vector<ComparedRun>& runs) {
  std::string text;
  for (const auto& run : runs) {
    tools::Table table({run.level, "BEFORE", "AFTER", "CHANGE", "NOISE", "VERDICT"});
    for (const auto& each : run.differences) {
      table.add({each.what, value_in_words(each.what, each.before), value_in_words(each.what, each.after),
                 each.what == "errors" || each.before == 0
                     ? ""
                     : fmt::format("{:+.1f} %", 100 * (each.after / each.before - 1)),
                 value_in_words(each.what, each.noise), to_words(each.verdict)});
    }
    text += (text.empty() ? "" : "\n") + table.text();
  }
  return text;
}

bool any_worse(const std::vector<ComparedRun>& runs) {
  return std::any_of(runs.begin(), runs.end(), [](const auto& run) {
    return std::any_of(run.differences.begin(), run.differences.end(),
                       [](const auto& each) { return each.verdict == Verdict::worse; });
  });
}

}  // namespace samovar::load
