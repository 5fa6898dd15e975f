#include "tools/load/report.hpp"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <utility>

#include "tools/load/quantity.hpp"

namespace samovar::load {
namespace {

constexpr double kBusyThread = 0.9;  // of a core: above it, the tool itself is what is measured
constexpr double kLateUs = 1000;  // an open loop whose calls start later than this is not the load asked for
constexpr double kLateShare = 1;  // percent of the calls

bool is_cpu_bound(const Tally& tally) {
  return tally.busiest_thread > kBusyThread;
}

bool is_late(const Tally& tally) {
  return tally.lateness.percentile(100 - kLateShare) / 1e3 > kLateUs;
}

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

Json latencies(const Distribution& distribution) {
  const auto us = [&](double percent) { return rounded(distribution.percentile(percent) / 1e3); };
  return {{"min", rounded(distribution.min() / 1e3)},
          {"mean", rounded(distribution.mean() / 1e3)},
          {"p50", us(50)},
          {"p90", us(90)},
          {"p99", us(99)},
          {"p999", us(99.9)},
          {"max", rounded(distribution.max() / 1e3)}};
}

Json sample(const Distribution& distribution) {
  Json json = latencies(distribution);
  json["sampled_calls"] = distribution.count();
  return json;
}

// Those that lie inside the window that is measured: one that was cut off would look like a slow one.
Json slices(const Tally& tally) {
  const double seconds = std::chrono::duration<double>(tally.timeline.length()).count();
  Json json = Json::array();
  for (const auto& slice : tally.timeline.slices()) {
    const double start = seconds * static_cast<double>(json.size());
    if (start + seconds > tally.window_s + 1e-9) break;
    json.push_back({{"start_s", rounded(start)},
                    {"rps", rounded(static_cast<double>(slice.ok) / seconds)},
                    {"errors", slice.failed},
                    {"p50", rounded(slice.latency.percentile(50) / 1e3)},
                    {"p99", rounded(slice.latency.percentile(99) / 1e3)},
                    {"max", rounded(slice.latency.max() / 1e3)}});
  }
  return json;
}

Json curve(const Distribution& distribution) {
  Json json = Json::array();
  for (const double percent : percentiles_for(distribution.count())) {
    json.push_back({percent, rounded(distribution.percentile(percent) / 1e3)});
  }
  return json;
}

Json to_json(const Level& level) {
  Json json{{"loop", level.loop == Loop::open ? "open" : "closed"}};
  const char* const name = level.loop == Loop::open ? "rate" : "concurrency";
  json[name] = level.to;
  if (level.ramp()) json[std::string(name) + "_from"] = level.from;
  json["text"] = level.in_words();
  return json;
}

Json measured(const Tally& tally) {
  Json errors = Json::object();
  Json messages = Json::object();
  Json heard = Json::object();
  for (const auto& [code, each] : tally.failures) {
    errors[code] = each.count;
    messages[code] = each.message;
    heard[code] = latencies(each.latency);
  }
  return {{"requests", tally.requests()},
          {"ok", tally.ok},
          {"errors", std::move(errors)},
          {"error_messages", std::move(messages)},
          {"error_latency_us", std::move(heard)},
          {"error_share", tally.failed_share()},
          {"abandoned", tally.abandoned},
          {"seconds", rounded(tally.window_s)},
          {"throughput_rps", rounded(tally.throughput())},
          {"latency_us", latencies(tally.latency)},
          {"queued_us", sample(tally.queued)},
          {"running_us", sample(tally.running)}};
}

Json to_json(const Run& run) {
  const auto& tally = run.tally;
  Json json{{"level", to_json(run.level)}};
  json.update(measured(tally));
  json["client"] = {{"busiest_thread_cores", rounded(tally.busiest_thread)},
                    {"busiest_process_cores", rounded(tally.busiest_process)},
                    {"limited", is_cpu_bound(tally) || is_late(tally)},
                    {"late_p99_us", rounded(tally.lateness.percentile(99) / 1e3)},
                    {"late_max_us", rounded(tally.lateness.max() / 1e3)}};
  json["warnings"] = warnings_about(run);
  json["slice_seconds"] = std::chrono::duration<double>(tally.timeline.length()).count();
  json["slices"] = slices(tally);
  json["percentiles_us"] = curve(tally.latency);
  return json;
}

}  // namespace

Tally Report::total() const {
  Tally total;
  double seconds = 0;
  for (const auto& run : runs) {
    total.merge(run.tally);
    seconds += run.tally.window_s;
  }
  total.window_s = seconds;
  return total;
}

std::vector<std::string> warnings_about(const Run& run) {
  std::vector<std::string> warnings;
  const auto& tally = run.tally;
  if (is_cpu_bound(tally)) {
    warnings.push_back(
        fmt::format("{}: samovar-load itself is the limit: its busiest thread used {:.0f} % of a core. Give "
                    "it more --connections "
                    "or --processes.",
                    run.level.in_words(), 100 * tally.busiest_thread));
  }
  if (is_late(tally)) {
    warnings.push_back(fmt::format(
        "{}: the calls were not started in time: 1 % of them {} late or more. The latencies count from when "
        "they were "
        "to start, but the load was not quite this one: use more --processes, or a machine that is less "
        "busy.",
        run.level.in_words(), duration_in_words(tally.lateness.percentile(100 - kLateShare) / 1e3)));
  }
  return warnings;
}

std::vector<double> percentiles_for(std::uint64_t count) {
  constexpr int kTicks = 5;  // each time the distance to 100 % is halved
  std::vector<double> percentiles;
  if (count == 0) return percentiles;
  for (double left = 100; left * static_cast<double>(count) >= 100; left /= 2) {
    for (int tick = 0; tick < kTicks; ++tick) percentiles.push_back(100 - left + left / 2 * tick / kTicks);
  }
  percentiles.push_back(100);
  return percentiles;
}

Json to_json(const Report& report) {
  Json json{
      {"samovar_load", SAMOVAR_VERSION}, {"settings", report.settings}, {"interrupted", report.interrupted}};
  if (report.runs.size() == 1) {
    json.update(to_json(report.runs[0]));
  } else {
    json.update(measured(report.total()));
    Json warnings = Json::array();
    Json steps = Json::array();
    for (const auto& run : report.runs) {
      steps.push_back(to_json(run));
      for (const auto& warning : steps.back()["warnings"]) warnings.push_back(warning);
    }
    json["warnings"] = std::move(warnings);
    json["steps"] = std::move(steps);
  }
  if (report.searched()) {
    Json trials = Json::array();
    for (const auto& trial : report.trials) {
      trials.push_back({{"rate", trial.rate}, {"held", trial.held}, {"why", trial.why}});
    }
    json["find_max"] = {{"rate", report.found_rate ? Json(*report.found_rate) : Json()},
                        {"trials", std::move(trials)}};
  }
  return json;
}

}  // namespace samovar::load
