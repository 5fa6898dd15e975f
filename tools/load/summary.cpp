// The report as text: for a terminal, for a spreadsheet, for HdrHistogram's tools.
#include <spdlog/fmt/fmt.h>

#include <string>

#include "tools/common/table.hpp"
#include "tools/load/csv.hpp"
#include "tools/load/quantity.hpp"
#include "tools/load/report.hpp"

namespace samovar::load {
namespace {

using tools::Table;

std::vector<std::string> row_of(const std::string& name, const Distribution& distribution) {
  std::vector<std::string> row{name};
  for (const double percent : {50.0, 90.0, 99.0, 99.9, 100.0}) {
    row.push_back(duration_in_words(distribution.percentile(percent) / 1e3));
  }
  return row;
}

std::string errors_in_words(const Tally& tally) {
  return tally.failed == 0 ? "no errors"
                           : with_commas(tally.failed) + (tally.failed == 1 ? " error (" : " errors (") +
                                 share_in_words(tally.failed_share()) + ")";
}

std::string sampled_in_words(const Tally& tally) {
  return fmt::format("queued and running: from the metadata of a sample of {} calls\n",
                     with_commas(tally.running.count()));
}

std::string one_run(const Run& run) {
  const auto& tally = run.tally;
  std::string text = fmt::format("{}, {}: {} calls, {} calls/s, {}\n\n", run.level.in_words(),
                                 duration_in_words(tally.window_s * 1e6), with_commas(tally.requests()),
                                 rate_in_words(tally.throughput()), errors_in_words(tally));
  if (tally.latency.empty()) return text;
  Table table({"", "P50", "P90", "P99", "P99.9", "MAX"});
  table.add(row_of("latency", tally.latency));
  if (!tally.running.empty()) {
    table.add(row_of("queued", tally.queued));
    table.add(row_of("running", tally.running));
  }
  text += table.text("  ");
  if (!tally.running.empty()) text += "\n" + sampled_in_words(tally);
  return text;
}

std::string several_runs(const Report& report) {
  Table table({"LOAD", "CALLS", "CALLS/S", "ERRORS", "P50", "P90", "P99", "P99.9", "MAX", "QUEUED P50", "P99",
               "RUNNING P50", "P99"});
  for (const auto& run : report.runs) {
    const auto& tally = run.tally;
    auto row = row_of(run.level.in_words(), tally.latency);
    row.insert(row.begin() + 1,
               {with_commas(tally.requests()), rate_in_words(tally.throughput()), with_commas(tally.failed)});
    for (const auto* distribution : {&tally.queued, &tally.running}) {
      for (const double percent : {50.0, 99.0}) {
        row.push_back(distribution->empty() ? "-"
                                            : duration_in_words(distribution->percentile(percent) / 1e3));
      }
    }
    table.add(row);
  }
  return table.text() + "\n" + sampled_in_words(report.total());
}

std::string search_in_words(const Report& report) {
  Table table({"RATE", "", ""});
  for (const auto& trial : report.trials) {
    table.add({rate_in_words(trial.rate) + "/s", trial.held ? "held" : "not held", trial.why});
  }
  const auto objective = report.settings.value("find_max", std::string());
  return table.text() + "\n" +
         (report.found_rate ? fmt::format("The highest rate that holds {}: {} calls/s.\n\n", objective,
                                          rate_in_words(*report.found_rate))
                            : fmt::format("No rate that was tried holds {}.\n\n", objective));
}

}  // namespace

std::string summary(const Report& report) {
  std::string text;
  if (report.searched()) text += search_in_words(report);
  if (report.runs.size() == 1) {
    text += one_run(report.runs[0]);
  } else if (!report.runs.empty()) {
    text += several_runs(report);
  }
  const auto total = report.total();
  for (const auto& [code, each] : total.failures) {
    text += fmt::format("{} {}: {}\n", with_commas(each.count), code, each.message);
  }
  if (total.abandoned > 0) {
    text += fmt::format("{} calls were still under way when the run was broken off\n",
                        with_commas(total.abandoned));
  }
  for (const auto& run : report.runs) {
    for (const auto& warning : warnings_about(run)) text += "warning: " + warning + "\n";
  }
  return text;
}

std::string to_csv(const Report& report) {
  std::string text =
      "load,seconds,requests,ok,errors,throughput_rps,min_us,mean_us,p50_us,p90_us,p99_us,p999_us,max_us,"
      "queued_p50_us,queued_p99_us,running_p50_us,running_p99_us\n";
  for (const auto& run : report.runs) {
    const auto& tally = run.tally;
    text += fmt::format("{},{:.3f},{},{},{},{:.3f},{:.3f},{:.3f}", csv_field(run.level.in_words()),
                        tally.window_s, tally.requests(), tally.ok, tally.failed, tally.throughput(),
                        tally.latency.min() / 1e3, tally.latency.mean() / 1e3);
    for (const double percent : {50.0, 90.0, 99.0, 99.9, 100.0}) {
      text += fmt::format(",{:.3f}", tally.latency.percentile(percent) / 1e3);
    }
    for (const auto* distribution : {&tally.queued, &tally.running}) {
      for (const double percent : {50.0, 99.0})
        text += fmt::format(",{:.3f}", distribution->percentile(percent) / 1e3);
    }
    text += '\n';
  }
  return text;
}

std::string to_percentile_file(const Report& report) {
  std::string text;
  for (const auto& run : report.runs) {
    const auto& latency = run.tally.latency;
    if (report.runs.size() > 1) text += "#[" + run.level.in_words() + "]\n";
    text += fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount",
                        "1/(1-Percentile)");
    for (const double percent : percentiles_for(latency.count())) {
      const double value = latency.percentile(percent);
      text +=
          fmt::format("{:12.3f} {:14.12f} {:10} ", value / 1e6, percent / 100, latency.count_up_to(value));
      text +=
          percent < 100 ? fmt::format("{:14.2f}\n", 1 / (1 - percent / 100)) : fmt::format("{:>14}\n", "inf");
    }
    text += fmt::format("#[Mean    = {:12.3f}, StdDeviation   = {:12.3f}]\n", latency.mean() / 1e6,
                        latency.deviation() / 1e6);
    text +=
        fmt::format("#[Max     = {:12.3f}, Total count    = {:12}]\n", latency.max() / 1e6, latency.count());
    text += fmt::format("#[Buckets = {:12}, SubBuckets     = {:12}]\n",
                        Histogram::kLargestBits - Histogram::kDigits + 1, 2 * Histogram::kHalf);
  }
  return text;
}

}  // namespace samovar::load
