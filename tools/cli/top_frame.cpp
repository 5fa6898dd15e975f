#include "tools/cli/top_frame.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "tools/common/table.hpp"
#include "tools/common/tally.hpp"

namespace samovar::cli {
namespace {

using tools::Table;
using tools::Tally;

std::string with_digits(double value, const char* unit) {
  std::array<char, 48> text{};
  const int digits = value >= 100 || value == std::floor(value) ? 0 : 1;
  std::snprintf(text.data(), text.size(), "%.*f%s", digits, value, unit);
  return text.data();
}

std::string rate(std::uint64_t count, double seconds) {
  return seconds > 0 ? with_digits(static_cast<double>(count) / seconds, "") : "-";
}

std::string time_for_people(std::optional<double> us) {
  if (!us) return "-";
  if (*us < 1e3) return with_digits(std::round(*us), " us");
  if (*us < 1e6) return with_digits(*us / 1e3, " ms");
  return with_digits(*us / 1e6, " s");
}

double uptime_of(const Json& status) {
  return map_of(status, "broker").value("uptime_s", 0.0);
}

std::uint64_t sum_of(const Json& status, const char* key) {
  std::uint64_t sum = 0;
  for (const auto& service : list_of(status, "services")) sum += tools::count_of(service, key);
  return sum;
}

Json named(const Json& list, const std::string& name) {
  for (const auto& each : list) {
    if (text_of(each, "name") == name) return each;
  }
  return Json::object();
}

std::uint64_t sum_of_pools(const Json& service, const char* key) {
  std::uint64_t sum = 0;
  for (const auto& pool : list_of(service, "pools")) sum += tools::count_of(pool, key);
  return sum;
}

std::string workers_of(const Json& service) {
  const Json workers = list_of(service, "workers");
  const auto ready = std::count_if(workers.begin(), workers.end(),
                                   [](const Json& worker) { return text_of(worker, "state") == "ready"; });
  const auto wanted = sum_of_pools(service, "wanted");
  return std::to_string(ready) + (wanted > 0 ? " of " + std::to_string(wanted) : "");
}

class Frame {
 public:
  Frame(const Json& before, const Json& now) : now_(now), bounds_(list_of(now, "bounds_us")) {
    const bool same =
        before.is_object() && text_of(map_of(before, "broker"), "id") == text_of(map_of(now, "broker"), "id");
    if (same) before_ = before;
    seconds_ = uptime_of(now) - (same ? uptime_of(before) : 0);
  }

  std::vector<TopLine> lines() {
    head();
    services();
    workers();
    return std::move(lines_);
  }

 private:
  void add(std::string text) { lines_.push_back({std::move(text)}); }

  void add(const Table& table) {
    add("");
    std::istringstream text(table.text());
    bool is_head = true;
    for (std::string line; std::getline(text, line); is_head = false) lines_.push_back({line, is_head});
  }

  std::string times(const tools::Counts& counts) const {
    return "p50 " + time_for_people(tools::quantile_us(counts, bounds_, 0.5)) + ", p99 " +
           time_for_people(tools::quantile_us(counts, bounds_, 0.99));
  }

  void head() {
    const Json broker = map_of(now_, "broker");
    add(text_of(broker, "software") + ", " + text_of(broker, "state") + ", up " +
        for_people(uptime_of(now_)) + ", pid " + text_of(broker, "pid") +
        ", clients: " + text_of(now_, "clients"));
    const Tally came = Tally::of_status(now_).since(Tally::of_status(before_));
    std::string failed;
    for (const auto& [code, count] : came.outcomes) {
      if (code != "ok") failed += ", " + rate(count, seconds_) + ' ' + code;
    }
    add("calls/s  " + rate(came.ok(), seconds_) + " ok" + failed);
    add("queued   " + times(came.queued));
    add("ran      " + times(came.run));
    add("queue    " + std::to_string(sum_of(now_, "queued")) + " (" +
        std::to_string(sum_of(now_, "queued_bytes")) +
        " bytes), in flight: " + std::to_string(sum_of(now_, "in_flight")) +
        ", abandoned: " + std::to_string(sum_of(now_, "abandoned")));
  }

  void services() {
    Table table({"SERVICE", "STATE", "CALLS/S", "FAILED/S", "QUEUED", "IN FLIGHT", "QUEUED P99", "RAN P99",
                 "WORKERS", "RESTARTS"});
    for (const auto& service : sorted_list_of(now_, "services")) {
      const auto name = text_of(service, "name");
      const Tally came =
          Tally::of_service(service).since(Tally::of_service(named(list_of(before_, "services"), name)));
      table.add({name, text_of(service, "state"), rate(came.ok(), seconds_), rate(came.failed(), seconds_),
                 text_of(service, "queued"), text_of(service, "in_flight"),
                 time_for_people(tools::quantile_us(came.queued, bounds_, 0.99)),
                 time_for_people(tools::quantile_us(came.run, bounds_, 0.99)), workers_of(service),
                 std::to_string(sum_of_pools(service, "restarts"))});
    }
    if (table.empty()) {
      add("");
      return add("no service has announced itself");
    }
    add(table);
  }

  void workers() {
    Table table({"WORKER", "PID", "STATE", "RUNS", "FOR", "IN FLIGHT", "CREDIT"});
    for (const auto& service : sorted_list_of(now_, "services")) {
      for (const auto& worker : sorted_list_of(service, "workers")) {
        const Json running = list_of(worker, "running");
        const Json first = running.empty() ? Json::object() : running[0];
        table.add(
            {text_of(worker, "name"), text_of(worker, "pid"), text_of(worker, "state"),
             running.empty() ? "" : text_of(first, "method"),
             running.empty() ? "" : time_for_people(static_cast<double>(tools::count_of(first, "for_us"))),
             text_of(worker, "in_flight"), text_of(worker, "credit")});
      }
    }
    if (!table.empty()) add(table);
  }

  const Json& now_;
  Json before_ = Json::object();
  const Json bounds_;
  double seconds_ = 0;
  std::vector<TopLine> lines_;
};

}  // namespace

std::vector<TopLine> top_frame(const Json& before, const Json& now) {
  return Frame(before, now).lines();
}

}  // namespace samovar::cli
