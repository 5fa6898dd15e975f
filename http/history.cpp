#include "http/history.hpp"

#include <utility>

namespace samovar::http {
namespace {

using tools::Json;
using tools::Tally;

// The median and the 99th percentile, in microseconds; null when there is nothing.
Json quantiles(const tools::Counts& counts, const Json& bounds) {
  const auto median = tools::quantile_us(counts, bounds, 0.5);
  if (!median) return nullptr;
  return Json::array({*median, *tools::quantile_us(counts, bounds, 0.99)});
}

Json flow_of(const Tally& tally, double seconds, const Json& bounds) {
  Json failed = Json::object();
  for (const auto& [code, count] : tally.outcomes) {
    if (code != "ok" && count > 0) failed[code] = count;
  }
  return {{"seconds", seconds},
          {"ok", tally.ok()},
          {"failed", failed},
          {"queued_us", quantiles(tally.queued, bounds)},
          {"run_us", quantiles(tally.run, bounds)}};
}

std::uint64_t sum_of(const Json& status, const char* key) {
  std::uint64_t sum = 0;
  for (const auto& service : status.value("services", Json::array())) sum += tools::count_of(service, key);
  return sum;
}

}  // namespace

void History::add(Json status, double at) {
  const Json broker = status.value("broker", Json::object());
  if (const std::string id = broker.value("id", ""); std::exchange(broker_id_, id) != id) looks_.clear();
  Look now{broker.value("uptime_s", 0.0), {{"", Tally::of_status(status)}}};
  const Json bounds = status.value("bounds_us", Json::array());
  for (auto& service : status["services"]) {
    now.tallies[service.value("name", "")] = Tally::of_service(service);
    for (auto& method : service["methods"]) {
      const Tally tally = Tally::of_method(method);
      method["failed"] = tally.failed();
      method["queued"] = quantiles(tally.queued, bounds);
      method["run"] = quantiles(tally.run, bounds);
    }
  }
  status["outcomes"] = now.tallies.at("").outcomes;
  status_ = std::move(status);
  problem_ = nullptr;
  last_known_ = at;
  keep(sample_of(now), at);
  looks_.push_back(std::move(now));
  if (looks_.size() > kRecent + 1) looks_.pop_front();
}

void History::add_problem(const std::string& code, const std::string& detail, double at) {
  const Json since = problem_.is_object() ? problem_["since"] : Json(at);
  problem_ = {{"code", code}, {"detail", detail}, {"since", since}};
  keep(Json::object(), at);
}

void History::keep(Json sample, double at) {
  sample["number"] = ++number_;
  sample["at"] = at;
  samples_.push_back(std::move(sample));
  if (samples_.size() > kSamples) samples_.pop_front();
}

// What has come since the last look, or since the broker's start.
Json History::sample_of(const Look& now) const {
  const Look none;
  const Look& before = looks_.empty() ? none : looks_.back();
  const auto at = before.tallies.find("");
  const Tally all = now.tallies.at("").since(at == before.tallies.end() ? Tally() : at->second);
  Json sample = flow_of(all, now.uptime_s - before.uptime_s, status_.value("bounds_us", Json::array()));
  sample["queued"] = sum_of(status_, "queued");
  sample["in_flight"] = sum_of(status_, "in_flight");
  return sample;
}

Json History::recent(const std::string& service) const {
  const Look& now = looks_.back();
  // At first the broker's whole life is recent.
  const Look none;
  const Look& before = looks_.size() > kRecent || now.uptime_s > 2 * kRecent ? looks_.front() : none;
  const auto at = before.tallies.find(service);
  const Tally tally = now.tallies.at(service).since(at == before.tallies.end() ? Tally() : at->second);
  return flow_of(tally, now.uptime_s - before.uptime_s, status_.value("bounds_us", Json::array()));
}

Json History::since(std::uint64_t after) const {
  Json samples = Json::array();
  for (const auto& sample : samples_) {
    if (sample["number"].get<std::uint64_t>() > after) samples.push_back(sample);
  }
  Json found{{"number", number_}, {"problem", problem_}, {"known_at", last_known_}, {"samples", samples}};
  found["status"] = status_;
  if (status_.is_null()) return found;
  found["status"]["recent"] = recent("");
  for (auto& service : found["status"]["services"]) service["recent"] = recent(service.value("name", ""));
  return found;
}

}  // namespace samovar::http
