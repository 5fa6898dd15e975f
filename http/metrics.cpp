#include "http/metrics.hpp"

#include <initializer_list>
#include <map>
#include <utility>

#include "broker/core/counters.hpp"

namespace samovar::http {
namespace {

using Json = nlohmann::ordered_json;
using Labels = std::initializer_list<std::pair<const char*, std::string>>;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

std::string help_of(const std::string& counter) {
  for (const auto& known : broker::kCounters) {
    if (known.name == counter) return std::string(known.help);
  }
  return "A counter of the broker.";
}

std::string in_braces(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += (text.empty() ? "{" : ",") + std::string(name) + "=\"" + escaped(value) + '"';
  }
  return text.empty() ? text : text + '}';
}

std::string number(const Json& value) {
  return value.is_number() ? value.dump() : "0";
}

// Seconds of microseconds, exactly.
std::string seconds(std::uint64_t us) {
  std::string text = std::to_string(us);
  if (text.size() < 7) text.insert(0, 7 - text.size(), '0');
  text.insert(text.size() - 6, ".");
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

// Families in the order in which they were begun, each with its samples together, as the format wants it.
class Page {
 public:
  void family(const std::string& name, const char* type, const char* help) {
    order_.push_back(name);
    heads_[name] = "# HELP " + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
  }
  void sample(const std::string& family, const Labels& labels, const std::string& value,
              const char* suffix = "") {
    samples_[family] += family + suffix + in_braces(labels) + ' ' + value + '\n';
  }
  std::string text() const {
    std::string text;
    for (const auto& name : order_) {
      const auto found = samples_.find(name);
      if (found != samples_.end()) text += heads_.at(name) + found->second;
    }
    return text;
  }

 private:
  std::vector<std::string> order_;
  std::map<std::string, std::string> heads_;
  std::map<std::string, std::string> samples_;
};

void histogram(Page& page, const std::string& family, const std::string& service, const std::string& method,
               const Json& bounds, const Json& found) {
  if (!found.is_object() || !bounds.is_array()) return;
  const Json& counts = found.at("counts");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    sum += counts[i].get<std::uint64_t>();
    const std::string le = i < bounds.size() ? seconds(bounds[i].get<std::uint64_t>()) : "+Inf";
    page.sample(family, {{"service", service}, {"method", method}, {"le", le}}, std::to_string(sum),
                "_bucket");
  }
  page.sample(family, {{"service", service}, {"method", method}},
              seconds(found.at("sum_us").get<std::uint64_t>()), "_sum");
  page.sample(family, {{"service", service}, {"method", method}}, std::to_string(sum), "_count");
}

void of_service(Page& page, const Json& service, const Json& bounds) {
  const std::string name = service.value("name", "");
  const auto gauge = [&](const char* family, const char* key) {
    page.sample(family, {{"service", name}}, number(service.value(key, Json(0))));
  };
  gauge("samovar_queued_requests", "queued");
  gauge("samovar_queued_bytes", "queued_bytes");
  gauge("samovar_in_flight_requests", "in_flight");
  gauge("samovar_abandoned_requests", "abandoned");
  page.sample("samovar_service_ready", {{"service", name}},
              service.value("state", "") == "ready" ? "1" : "0");
  std::map<std::string, int> states{{"greeted", 0}, {"ready", 0}, {"draining", 0}, {"dying", 0}};
  std::uint64_t credit = 0;
  for (const auto& worker : service.value("workers", Json::array())) {
    states[worker.value("state", "")] += 1;
    credit += worker.value("credit", std::uint64_t{0});
  }
  for (const auto& [state, count] : states) {
    page.sample("samovar_workers", {{"service", name}, {"state", state}}, std::to_string(count));
  }
  page.sample("samovar_credit_requests", {{"service", name}}, std::to_string(credit));
  std::uint64_t restarts = 0;
  for (const auto& pool : service.value("pools", Json::array()))
    restarts += pool.value("restarts", std::uint64_t{0});
  page.sample("samovar_worker_restarts_total", {{"service", name}}, std::to_string(restarts));
  for (const auto& method : service.value("methods", Json::array())) {
    const std::string method_name = method.value("name", "");
    const Json outcomes = method.value("outcomes", Json::object());
    for (const auto& [outcome, count] : outcomes.items()) {
      page.sample("samovar_method_outcomes_total",
                  {{"service", name}, {"method", method_name}, {"outcome", outcome}}, number(count));
    }
    histogram(page, "samovar_queued_seconds", name, method_name, bounds, method.value("queued", Json()));
    histogram(page, "samovar_run_seconds", name, method_name, bounds, method.value("run", Json()));
  }
}

}  // namespace

std::string metrics_of(const Json& status) {
  Page page;
  const Json broker = status.value("broker", Json::object());
  page.family("samovar_up_seconds", "gauge", "How long the broker has run.");
  page.family("samovar_draining", "gauge", "1 while the broker takes no new requests.");
  page.family("samovar_clients", "gauge", "Clients with a session.");
  page.family("samovar_connections", "gauge", "Connections of clients and workers.");
  page.family("samovar_service_ready", "gauge", "1 while the service has a worker that is ready.");
  page.family("samovar_workers", "gauge", "Workers by state.");
  page.family("samovar_credit_requests", "gauge",
              "Requests that all workers of a service may hold together.");
  page.family("samovar_worker_restarts_total", "counter",
              "Workers started anew by the supervisors there are.");
  page.family("samovar_queued_requests", "gauge", "Requests that wait for a worker.");
  page.family("samovar_queued_bytes", "gauge", "Their bytes.");
  page.family("samovar_in_flight_requests", "gauge", "Requests at workers whose callers wait.");
  page.family("samovar_abandoned_requests", "gauge", "Requests at workers whose callers have heard already.");
  page.family("samovar_outcomes_total", "counter", "How requests ended.");
  page.family("samovar_method_outcomes_total", "counter", "How requests of a method ended.");
  page.family("samovar_queued_seconds", "histogram", "Time that requests waited until they were dispatched.");
  page.family("samovar_run_seconds", "histogram", "Time that handlers ran.");
  page.sample("samovar_up_seconds", {}, number(broker.value("uptime_s", Json(0))));
  page.sample("samovar_draining", {}, broker.value("state", "") == "draining" ? "1" : "0");
  page.sample("samovar_clients", {}, number(status.value("clients", Json(0))));
  page.sample("samovar_connections", {}, number(broker.value("connections", Json(0))));
  const Json outcomes = status.value("outcomes", Json::object());
  for (const auto& [outcome, count] : outcomes.items()) {
    page.sample("samovar_outcomes_total", {{"outcome", outcome}}, number(count));
  }
  const Json bounds = status.value("bounds_us", Json());
  for (const Json& service : status.value("services", Json::array())) of_service(page, service, bounds);
  const Json counters = status.value("counters", Json::object());
  for (const auto& [name, count] : counters.items()) {
    const std::string family = "samovar_" + name + "_total";
    page.family(family, "counter", help_of(name).c_str());
    page.sample(family, {}, number(count));
  }
  return page.text();
}

}  // namespace samovar::http
