#include "tools/load/html.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tools/load/plot.hpp"
#include "tools/load/quantity.hpp"

namespace samovar::load {
namespace {

constexpr const char* kStyle = R"(<style>
:root { color-scheme: light dark; --back: #ffffff; --text: #1c1e21; --soft: #5d636b; --grid: #e3e5e8;
  --one: #1f63c4; --two: #b3460f; --three: #2c7a3f; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) { :root { --back: #16181b; --text: #e8eaed; --soft: #a2a9b2; --grid: #33373c;
  --one: #7fb2ff; --two: #ffa46b; --three: #7fd493; --warn: #4a3b12; } }
body { background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; max-width: 66rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; }
.note { color: var(--soft); } .warn { background: var(--warn); padding: .5rem .8rem; border-radius: 4px; }
svg { width: 100%; height: auto; display: block; margin: 1rem 0; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; } svg .title { fill: var(--text); font-size: 14px; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; } svg .grid { stroke: var(--grid); }
svg polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg .line1 { stroke: var(--one); } svg .line2 { stroke: var(--two); } svg .line3 { stroke: var(--three); }
svg .dot1 { fill: var(--one); } svg .dot2 { fill: var(--two); } svg .dot3 { fill: var(--three); }
svg .name1 { fill: var(--one); } svg .name2 { fill: var(--two); } svg .name3 { fill: var(--three); }
</style>
)";

std::string row(const char* tag, const std::vector<std::string>& cells) {
  std::string text = "<tr>";
  for (const auto& cell : cells) text += fmt::format("<{0}>{1}</{0}>", tag, escaped(cell));
  return text + "</tr>\n";
}

std::vector<Json> runs_of(const Json& report) {
  std::vector<Json> runs;
  if (report.contains("steps")) {
    for (const auto& step : report["steps"]) runs.push_back(step);
  } else {
    runs.push_back(report);
  }
  return runs;
}

std::string table(const std::vector<Json>& runs) {
  std::string text = "<div class=\"wide\"><table>\n";
  text += row("th", {"load", "calls", "calls/s", "errors", "p50", "p90", "p99", "p99.9", "max", "queued p50",
                     "p99", "running p50", "p99"});
  for (const auto& run : runs) {
    std::vector<std::string> cells{run["level"]["text"], with_commas(run["requests"]),
                                   rate_in_words(run["throughput_rps"]), share_in_words(run["error_share"])};
    for (const char* key : {"p50", "p90", "p99", "p999", "max"}) {
      cells.push_back(duration_in_words(run["latency_us"][key]));
    }
    for (const char* part : {"queued_us", "running_us"}) {
      for (const char* key : {"p50", "p99"}) {
        cells.push_back(run[part]["sampled_calls"] == 0 ? "-" : duration_in_words(run[part][key]));
      }
    }
    text += row("td", cells);
  }
  return text +
         "</table></div>\n<p class=\"note\">queued and running: from the metadata of a sample of the "
         "calls</p>\n";
}

std::string in_words(double microseconds) {
  return microseconds == 0 ? "0" : duration_in_words(microseconds);
}

// The axis stretches towards 100 %: 90, 99 and 99.9 % are equally far apart.
std::string percentile_plot(const Json& run) {
  Plot plot{"Latency by percentile", "percent of the calls", {}, in_words, {{"latency", {}}}};
  const auto place = [](double percent) { return -std::log10(1 - percent / 100); };
  double last = 1;
  for (const auto& point : run["percentiles_us"]) {
    const double percent = point[0];
    if (percent >= 100) continue;
    plot.lines[0].points.emplace_back(place(percent), point[1]);
    last = std::max(last, place(percent));
  }
  constexpr std::pair<double, const char*> kTicks[] = {
      {0, "0"}, {90, "90 %"}, {99, "99 %"}, {99.9, "99.9 %"}, {99.99, "99.99 %"}, {99.999, "99.999 %"}};
  for (const auto& [percent, text] : kTicks) {
    if (place(percent) <= last) plot.x_ticks.push_back({place(percent), text});
  }
  if (plot.x_ticks.back().at < last) plot.x_ticks.push_back({last, ""});
  return to_svg(plot);
}

std::vector<Tick> seconds_axis(double end) {
  std::vector<Tick> ticks;
  for (int i = 0; i <= 5; ++i) ticks.push_back({end * i / 5, fmt::format("{:.3g} s", end * i / 5)});
  return ticks;
}

std::string time_plots(const Json& run) {
  const Json& slices = run["slices"];
  if (slices.size() < 2) return "";
  const double slice = run["slice_seconds"];
  const auto axis = seconds_axis(slice * static_cast<double>(slices.size()));
  Plot throughput{"Calls per second over time", "since the start", axis, rate_in_words, {{"calls/s", {}}}};
  Plot latency{"Latency over time", "since the start", axis, in_words, {{"p50", {}}, {"p99", {}}}};
  for (const auto& each : slices) {
    const double middle = each["start_s"].get<double>() + slice / 2;
    throughput.lines[0].points.emplace_back(middle, each["rps"]);
    latency.lines[0].points.emplace_back(middle, each["p50"]);
    latency.lines[1].points.emplace_back(middle, each["p99"]);
  }
  return to_svg(throughput) + to_svg(latency);
}

std::string step_plots(const std::vector<Json>& runs) {
  std::vector<Tick> axis;
  Plot throughput{"Calls per second at each step", "", {}, rate_in_words, {{"calls/s", {}}}};
  Plot latency{"Latency at each step", "", {}, in_words, {{"p50", {}}, {"p99", {}}, {"p99.9", {}}}};
  for (const auto& run : runs) {
    const auto at = static_cast<double>(axis.size());
    axis.push_back({at, run["level"]["text"]});
    throughput.lines[0].points.emplace_back(at, run["throughput_rps"]);
    latency.lines[0].points.emplace_back(at, run["latency_us"]["p50"]);
    latency.lines[1].points.emplace_back(at, run["latency_us"]["p99"]);
    latency.lines[2].points.emplace_back(at, run["latency_us"]["p999"]);
  }
  throughput.x_ticks = latency.x_ticks = axis;
  return to_svg(throughput) + to_svg(latency);
}

std::string search_table(const Json& found) {
  std::string text =
      "<h2>The search for the highest rate</h2>\n<p>" +
      (found["rate"].is_null() ? std::string("No rate that was tried held.")
                               : "The highest that held: " + rate_in_words(found["rate"]) + " calls/s.") +
      "</p>\n<table>\n" + row("th", {"rate", "", ""});
  for (const auto& trial : found["trials"]) {
    text +=
        row("td", {rate_in_words(trial["rate"]) + "/s", trial["held"] ? "held" : "not held", trial["why"]});
  }
  return text + "</table>\n";
}

}  // namespace

std::string to_html(const Json& report) {
  const auto runs = runs_of(report);
  const Json& settings = report["settings"];
  std::string methods;
  for (const auto& method : settings["methods"]) {
    methods += (methods.empty() ? "" : ", ") + method["method"].get<std::string>();
  }
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>samovar-load: " +
      escaped(methods) + "</title>\n" + kStyle + "</head>\n<body>\n<h1>" + escaped(methods) + "</h1>\n";
  page +=
      "<p class=\"note\">" +
      escaped(fmt::format("at {}, connections: {}, processes: {}", settings["endpoint"].get<std::string>(),
                          settings["connections"].get<int>(), settings["processes"].get<int>())) +
      (report["interrupted"] ? "; ended early" : "") + "</p>\n";
  for (const auto& warning : report["warnings"]) page += "<p class=\"warn\">" + escaped(warning) + "</p>\n";
  page += table(runs);
  for (const auto& [code, message] : report["error_messages"].items()) {
    page += "<p>" +
            escaped(fmt::format("{} {}: {}", with_commas(report["errors"][code]), code,
                                message.get<std::string>())) +
            "</p>\n";
  }
  if (report.contains("find_max")) page += search_table(report["find_max"]);
  if (runs.size() > 1) page += step_plots(runs);
  for (const auto& run : runs) {
    if (run["ok"] == 0) continue;
    page += "<h2>" + escaped(run["level"]["text"]) + "</h2>\n" + percentile_plot(run) + time_plots(run);
  }
  return page + "</body>\n</html>\n";
}

}  // namespace samovar::load
