// samovar services, samovar status: what the broker says about itself, for people or as JSON. Keys that are
// missing are left out, keys that are new are shown only as JSON: the broker may be older or newer.
#include <cstdio>
#include <string>

#include <samovar/client.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"
#include "tools/common/arguments.hpp"
#include "tools/common/table.hpp"

namespace samovar::cli {
namespace {

using tools::Json;
using tools::Table;

// The value of a key as text; "-" where there is none.
std::string text_of(const Json& map, const char* key) {
  if (!map.is_object() || !map.contains(key) || map[key].is_null()) return "-";
  const Json& value = map[key];
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return std::to_string(value.size());
  return value.dump();
}

// An array of maps, or an empty one.
Json list_of(const Json& map, const char* key) {
  return map.is_object() && map.contains(key) && map[key].is_array() ? map[key] : Json::array();
}

Json map_of(const Json& map, const char* key) {
  return map.is_object() && map.contains(key) && map[key].is_object() ? map[key] : Json::object();
}

std::string joined(const Json& list) {
  std::string text;
  for (const auto& element : list) {
    const Json& name = element.is_object() && element.contains("name") ? element["name"] : element;
    text += (text.empty() ? "" : ", ") + (name.is_string() ? name.get<std::string>() : name.dump());
  }
  return text;
}

std::string for_people(double seconds) {
  const auto whole = static_cast<long>(seconds);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

void print_broker(const Json& status) {
  const Json broker = map_of(status, "broker");
  std::printf("%s, %s", text_of(broker, "software").c_str(), text_of(broker, "state").c_str());
  if (broker.contains("uptime_s") && broker["uptime_s"].is_number()) {
    std::printf(", up %s", for_people(broker["uptime_s"].get<double>()).c_str());
  }
  if (broker.contains("pid")) std::printf(", pid %s", text_of(broker, "pid").c_str());
  std::printf(", clients: %s\n", text_of(status, "clients").c_str());
  if (const Json endpoints = list_of(broker, "endpoints"); !endpoints.empty()) {
    std::printf("endpoints: %s\n", joined(endpoints).c_str());
  }
}

void print_services(const Json& status) {
  Table services({"SERVICE", "STATE", "QUEUED", "BYTES", "IN FLIGHT", "ABANDONED", "WORKERS", "REASON"});
  Table workers({"WORKER", "SERVICE", "PID", "STATE", "IN FLIGHT", "CREDIT"});
  Table methods({"METHOD", "IDEMPOTENT", "RUN US", "OK", "FAILED"});
  for (const auto& service : list_of(status, "services")) {
    const auto name = text_of(service, "name");
    const auto reason = text_of(service, "reason");
    services.add({name, text_of(service, "state"), text_of(service, "queued"),
                  text_of(service, "queued_bytes"), text_of(service, "in_flight"),
                  text_of(service, "abandoned"), text_of(service, "workers"), reason == "-" ? "" : reason});
    for (const auto& worker : list_of(service, "workers")) {
      workers.add({text_of(worker, "name"), name, text_of(worker, "pid"), text_of(worker, "state"),
                   text_of(worker, "in_flight"), text_of(worker, "credit")});
    }
    for (const auto& method : list_of(service, "methods")) {
      const Json outcomes = map_of(method, "outcomes");
      std::uint64_t failed = 0;
      for (const auto& [word, count] : outcomes.items()) {
        if (word != "ok" && count.is_number_unsigned()) failed += count.get<std::uint64_t>();
      }
      methods.add({name + "." + text_of(method, "name"), text_of(method, "idempotent"),
                   text_of(method, "run_us_estimate"),
                   outcomes.empty() ? text_of(method, "ok") : text_of(outcomes, "ok"),
                   outcomes.empty() ? "-" : std::to_string(failed)});
    }
  }
  for (const auto* table : {&services, &workers, &methods}) {
    if (!table->empty()) std::printf("\n%s", table->text().c_str());
  }
  if (services.empty()) std::printf("\nno service has announced itself\n");
}

// Those that are not 0.
void print_counters(const Json& status) {
  for (const char* group : {"outcomes", "counters"}) {
    Table table({group, ""});
    const Json counters = map_of(status, group);
    for (const auto& [name, value] : counters.items()) {
      if (value != 0) table.add({name, value.dump()});
    }
    if (!table.empty()) std::printf("\n%s", table.text().c_str());
  }
}

Result<Value> ask(const Common& common, const char* method) {
  Client client{common.endpoint};
  return client.try_call<Value>(method, samovar::timeout(common.timeout));
}

}  // namespace

int services(const Common& common) {
  const auto result = ask(common, "samovar.services");
  if (!result.ok()) return report(result.error(), common.verbose);
  if (common.json) return std::printf("%s\n", result->to_json().c_str()), 0;
  Table table({"SERVICE", "STATE", "WORKERS", "METHODS"});
  for (const auto& service : Json::parse(result->to_json())) {
    table.add({text_of(service, "name"), text_of(service, "state"), text_of(service, "workers"),
               joined(list_of(service, "methods"))});
  }
  std::printf("%s", table.empty() ? "no service has announced itself\n" : table.text().c_str());
  return 0;
}

int status(const Common& common) {
  const auto result = ask(common, "samovar.status");
  if (!result.ok()) return report(result.error(), common.verbose);
  if (common.json) return std::printf("%s\n", result->to_json().c_str()), 0;
  const auto all = Json::parse(result->to_json());
  print_broker(all);
  print_services(all);
  print_counters(all);
  return 0;
}

}  // namespace samovar::cli
