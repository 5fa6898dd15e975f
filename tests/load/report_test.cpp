#include <string>

#include "tests/support/catch.hpp"
#include "tools/load/compare.hpp"
#include "tools/load/html.hpp"
#include "tools/load/recorder.hpp"
#include "tools/load/report.hpp"

using namespace samovar::load;
using namespace std::chrono_literals;

namespace {

const TimePoint kStart{1000s};

// So many calls each 100 ms of 2 s, with the same latency. `wobble` moves every second slice up.
Tally tally_with(int calls, Nanoseconds latency, Nanoseconds wobble = 0ns) {
  Recorder recorder(kStart, kStart + 2s);
  for (int slice = 0; slice < 20; ++slice) {
    for (int i = 0; i < calls; ++i) {
      const auto end = kStart + 100ms * slice + 50ms;
      recorder.succeeded(end - latency - wobble * (slice % 2), end);
    }
  }
  auto tally = recorder.take();
  tally.window_s = 2;
  return tally;
}

Json report_of(Tally tally) {
  Report report;
  report.runs.push_back({{Loop::closed, 64, 64}, std::move(tally)});
  report.settings = {{"endpoint", "ipc://x"},
                     {"methods", Json::array({{{"method", "a.b"}}})},
                     {"connections", 1},
                     {"processes", 1},
                     {"levels", {"64 outstanding"}}};
  return to_json(report);
}

Verdict verdict(const std::string& what, const Json& before, const Json& after) {
  const auto compared = compare(before, after);
  for (const auto& each : compared.at(0).differences) {
    if (each.what == what) return each.verdict;
  }
  FAIL("no such figure: " << what);
  return Verdict::unknown;
}

}  // namespace

TEST_CASE("a tally is the same after its way through JSON") {
  auto tally = tally_with(10, 3ms, 1ms);
  tally.failures["worker_lost"] = {3, "it died", {}};
  tally.failed = 3;
  tally.abandoned = 1;
  tally.busiest_thread = 0.5;
  const auto copy = Tally::from_json(Json::from_msgpack(Json::to_msgpack(tally.to_json())));
  CHECK(copy.to_json() == tally.to_json());
  CHECK(copy.latency.percentile(99) == tally.latency.percentile(99));
  CHECK(copy.requests() == 204);
}

TEST_CASE("a recorder cuts the time into slices, and counts what ended in time") {
  Recorder recorder(kStart, kStart + 1s);
  recorder.succeeded(kStart, kStart + 50ms);
  recorder.succeeded(kStart, kStart + 250ms);
  samovar::Error::Details details;
  details.message = "it died";
  recorder.failed(samovar::Error(samovar::Status::worker_lost, details), kStart + 60ms, kStart + 260ms);
  recorder.succeeded(kStart + 900ms, kStart + 1500ms);  // after the end
  const auto tally = recorder.take();
  CHECK(tally.ok == 3);
  CHECK(tally.ok_in_window == 2);
  CHECK(tally.failures.at("worker_lost").count == 1);
  CHECK(tally.failures.at("worker_lost").message == "it died");
  CHECK(tally.failures.at("worker_lost").latency.max() == 200e6);
  const auto& slices = tally.timeline.slices();
  REQUIRE(slices.size() == 16);
  CHECK(slices[0].ok == 1);
  CHECK((slices[2].ok == 1 && slices[2].failed == 1));
  CHECK(slices[15].ok == 1);
}

TEST_CASE("a long run has no more slices than a short one, and loses no call") {
  Timeline timeline;
  for (int second = 0; second < 3600; ++second) timeline.add(std::chrono::seconds(second), {1, 0, {}});
  CHECK(timeline.slices().size() <= Timeline::kMost);
  std::uint64_t calls = 0;
  for (const auto& slice : timeline.slices()) calls += slice.ok;
  CHECK(calls == 3600);
  Timeline fine;
  fine.add(0s, {5, 0, {}});
  fine.merge(timeline);
  CHECK(fine.length() == timeline.length());
  CHECK(fine.slices()[0].ok == timeline.slices()[0].ok + 5);
}

TEST_CASE("the JSON report has the names that scripts rely on") {
  const auto json = report_of(tally_with(10, 3ms));
  CHECK(json["requests"] == 200);
  CHECK(json["ok"] == 200);
  CHECK(json["errors"] == Json::object());
  CHECK(json["throughput_rps"] == 100.0);
  for (const char* key : {"p50", "p90", "p99", "p999", "max"}) {
    CHECK(json["latency_us"][key].get<double>() == Approx(3000).epsilon(0.001));
  }
  CHECK(json["slices"].size() == 20);
}

TEST_CASE("several runs are in the report one by one, and together") {
  Report report;
  report.runs = {{{Loop::closed, 1, 1}, tally_with(1, 1ms)}, {{Loop::closed, 2, 2}, tally_with(3, 2ms)}};
  const auto json = to_json(report);
  CHECK(json["requests"] == 80);
  CHECK(json["steps"].size() == 2);
  CHECK(json["steps"][1]["throughput_rps"] == 30.0);
  CHECK(json["throughput_rps"] == 20.0);
}

TEST_CASE("the tool says when it is the limit itself") {
  Run run{{Loop::closed, 64, 64}, tally_with(10, 1ms)};
  CHECK(warnings_about(run).empty());
  run.tally.busiest_thread = 0.97;
  REQUIRE(warnings_about(run).size() == 1);
  CHECK(warnings_about(run)[0].find("97 %") != std::string::npos);
  run.tally.busiest_thread = 0.1;
  Histogram late;
  late.record(5ms);
  run.tally.lateness = late.take();
  CHECK(warnings_about(run).size() == 1);
}

TEST_CASE("a difference beyond the spread between slices is better or worse") {
  const auto before = report_of(tally_with(100, 3ms, 100us));
  CHECK(verdict("p50", before, report_of(tally_with(100, 4ms, 100us))) == Verdict::worse);
  CHECK(verdict("p50", before, report_of(tally_with(100, 2ms, 100us))) == Verdict::better);
  CHECK(verdict("calls/s", before, report_of(tally_with(150, 3ms))) == Verdict::better);
  CHECK(verdict("calls/s", before, report_of(tally_with(50, 3ms))) == Verdict::worse);
}

TEST_CASE("a difference within the spread between slices is none") {
  const auto before = report_of(tally_with(100, 3ms, 2ms));
  CHECK(verdict("p50", before, report_of(tally_with(100, 4ms, 2ms))) == Verdict::same);
  CHECK(verdict("p50", before, before) == Verdict::same);
  CHECK_FALSE(any_worse(compare(before, before)));
}

TEST_CASE("too few slices tell nothing, and more errors are worse") {
  CHECK(compare_slices("p50", {1, 1, 1}, {9, 9, 9}, false).verdict == Verdict::unknown);
  auto failing = tally_with(100, 3ms);
  failing.failed = 100;
  const auto before = report_of(tally_with(100, 3ms));
  CHECK(verdict("errors", before, report_of(failing)) == Verdict::worse);
  CHECK(any_worse(compare(before, report_of(failing))));
}

TEST_CASE("the page needs nothing from elsewhere, and shows what it is given as text") {
  auto json = report_of(tally_with(100, 3ms));
  json["settings"]["endpoint"] = "<script>";
  const auto page = to_html(json);
  CHECK(page.find("http") == std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("&lt;script&gt;") != std::string::npos);
  CHECK(page.find("<svg") != std::string::npos);
}

TEST_CASE("the percentile file ends with all calls") {
  Report report;
  report.runs.push_back({{Loop::closed, 1, 1}, tally_with(10, 3ms)});
  const auto text = to_percentile_file(report);
  CHECK(text.find("1.000000000000        200") != std::string::npos);
  CHECK(text.find("Total count    =          200") != std::string::npos);
}
