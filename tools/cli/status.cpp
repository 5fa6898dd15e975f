// samovar services, samovar status, samovar errors: what the broker says about itself, for people or as JSON. Keys that are
// missing are left out, keys that are new are shown only as JSON: the broker may be older or newer.
#include <cstdio>
#include <string>

#include "tools/cli/ask.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/json_maps.hpp"
#include "tools/common/table.hpp"

namespace samovar::cli {
namespace {

using tools::Table;

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
  for (const auto& service : sorted_list_of(status, "services")) {
    const auto name = text_of(service, "name");
    const auto reason = text_of(service, "reason");
    services.add({name, text_of(service, "state"), text_of(service, "queued"),
                  text_of(service, "queued_bytes"), text_of(service, "in_flight"),
                  text_of(service, "abandoned"), text_of(service, "workers"),
                  reason == "-" ? "" : reason.substr(0, reason.find('\n'))});
    for (const auto& worker : sorted_list_of(service, "workers")) {
      workers.add({text_of(worker, "name"), name, text_of(worker, "pid"), text_of(worker, "state"),
                   text_of(worker, "in_flight"), text_of(worker, "credit")});
    }
    for (const auto& method : sorted_list_of(service, "methods")) {
      const Json outcomes = map_of(method, "outcomes");
      std::uint64_t failed = 0;
      for (const auto& [word, count] : outcomes.items()) {
        if (word != "ok" && count.is_number_unsigned()) failed += count.get<std::uint64_t>();
      }
      methods.add({name + "." + text_of(method, "name"), text_of(method, "idempotent"),
                   whole_number(method, "run_us_estimate"),
                   outcomes.empty() ? text_of(method, "ok") : text_of(outcomes, "ok"),
                   outcomes.empty() ? "-" : std::to_string(failed)});
    }
  }
  for (const auto* table : {&services, &workers, &methods}) {
    if (!table->empty()) std::printf("\n%s", table->text().c_str());
  }
  if (services.empty()) std::printf("\nno service has announced itself\n");
}

void print_conflicts(const Json& status) {
  for (const auto& service : sorted_list_of(status, "services")) {
    const auto schemas = service.value("schemas", Json());
    if (!schemas.is_number_unsigned() || schemas.get<std::uint64_t>() < 2) continue;
    std::printf("\nworkers of %s announce %s different schemas: that of the highest generation counts\n",
                text_of(service, "name").c_str(), schemas.dump().c_str());
  }
}

// Requests that are refused since workers died of such ones.
void print_quarantine(const Json& status) {
  Table table({"REFUSED", "BYTES", "DEATHS", "LEFT", "REASON", "TO RUN IT"});
  for (const auto& entry : list_of(status, "quarantine")) {
    const auto file = text_of(entry, "file");
    const auto reason = text_of(entry, "reason");
    const bool timed = entry.contains("left_s") && entry["left_s"].is_number();
    table.add({text_of(entry, "method"), text_of(entry, "bytes"), text_of(entry, "deaths"),
               timed ? for_people(entry["left_s"].get<double>()) : "-", reason.substr(0, reason.find('\n')),
               file.empty() ? "(not saved)" : "samovar replay " + file});
  }
  if (!table.empty()) std::printf("\n%s", table.text().c_str());
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

// What pools say of themselves: how many workers they want, what each takes of memory, what became of a reload.
void print_pools(const Json& status) {
  Table pools({"POOL", "SERVICE", "STATE", "WORKERS", "SPARES", "RESTARTS", "GENERATION", "LAST RELOAD"});
  Table processes(
      {"PROCESS", "SERVICE", "PID", "STATE", "GENERATION", "REQUESTS", "SHARED MB", "PRIVATE MB", "PSS MB"});
  std::string failures;
  const auto megabytes = [](const Json& worker, const char* key) {
    if (!worker.contains(key) || !worker[key].is_number()) return std::string("-");
    return std::to_string(worker[key].get<std::uint64_t>() / 1000);
  };
  for (const auto& service : sorted_list_of(status, "services")) {
    const auto name = text_of(service, "name");
    for (const auto& pool : list_of(service, "pools")) {
      const Json detail = map_of(pool, "detail");
      const Json reload = map_of(detail, "last_reload");
      std::string last = reload.empty() ? "-" : text_of(reload, "ok") == "false" ? "failed" : "ok";
      if (const auto message = text_of(reload, "message");
          !reload.empty() && !message.empty() && message != "-")
        last += ": " + message.substr(0, message.find('\n'));
      pools.add({text_of(pool, "supervisor"), name, text_of(pool, "state"),
                 text_of(pool, "alive") + " of " + text_of(pool, "wanted"), text_of(detail, "spares"),
                 text_of(pool, "restarts"), text_of(detail, "generation"), last});
      for (const auto& worker : list_of(detail, "workers")) {
        processes.add({text_of(worker, "name"), name, text_of(worker, "pid"), text_of(worker, "state"),
                       text_of(worker, "generation"), text_of(worker, "requests"),
                       megabytes(worker, "shared_kb"), megabytes(worker, "private_kb"),
                       megabytes(worker, "pss_kb")});
      }
    }
    if (const auto reason = text_of(service, "reason"); !reason.empty() && reason != "-") {
      const bool again = text_of(service, "state") != "failed";
      failures += "\n" + name + (again ? " is tried again, and had failed:\n" : " has failed:\n") +
                  indented(reason, "  ");
    }
  }
  for (const auto* table : {&pools, &processes}) {
    if (!table->empty()) std::printf("\n%s", table->text().c_str());
  }
  std::printf("%s", failures.c_str());
}

}  // namespace

int services(const Common& common) {
  const auto answer = ask(common, "samovar.services");
  if (!answer.result) return answer.exit_code;
  Table table({"SERVICE", "STATE", "WORKERS", "METHODS"});
  for (const auto& service : sorted(*answer.result)) {
    table.add({text_of(service, "name"), text_of(service, "state"), text_of(service, "workers"),
               joined(list_of(service, "methods"))});
  }
  std::printf("%s", table.empty() ? "no service has announced itself\n" : table.text().c_str());
  return 0;
}

int status(const Common& common) {
  const auto answer = ask(common, "samovar.status");
  if (!answer.result) return answer.exit_code;
  print_broker(*answer.result);
  print_services(*answer.result);
  print_conflicts(*answer.result);
  print_pools(*answer.result);
  print_quarantine(*answer.result);
  print_counters(*answer.result);
  return 0;
}

int errors(const Common& common, const std::string& service) {
  const auto answer =
      service.empty() ? ask(common, "samovar.errors") : ask(common, "samovar.errors", service);
  if (!answer.result) return answer.exit_code;
  Table table({"METHOD", "CODE", "TIMES", "LAST", "WHAT IT SAID"});
  for (const auto& error : *answer.result) {
    const auto message = text_of(error, "message");
    table.add({text_of(error, "method"), text_of(error, "code"), text_of(error, "count"),
               time_of(error, "when"), message.substr(0, message.find('\n'))});
  }
  const std::string of = service.empty() ? "" : " of '" + service + "'";
  std::printf("%s", table.empty() ? ("no call" + of + " has failed\n").c_str() : table.text().c_str());
  return 0;
}

}  // namespace samovar::cli
