// samovar reload, samovar scale, samovar crashes: what is done to pools, and what became of their workers.
#include <cstdio>
#include <string>

#include "tools/cli/ask.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/json_maps.hpp"

namespace samovar::cli {
namespace {

// "ipgeo: reloaded (generation 3, ok true, workers 2, seconds 1.6)"
void print_done(const Json& done, const char* otherwise) {
  for (const auto& pool : list_of(done, "pools")) {
    std::string line = text_of(done, "service") + ": ";
    const std::string message = text_of(pool, "message");
    line += message.empty() || message == "-" ? otherwise : message;
    std::string facts;
    const Json result = map_of(pool, "result");
    for (const auto& [key, value] : result.items()) {
      facts += (facts.empty() ? "" : ", ") + key + " " + value.dump();
    }
    if (!facts.empty()) line += " (" + facts + ")";
    std::printf("%s\n", line.c_str());
  }
}

void print_crash(const Json& crash) {
  std::printf("%s  %s of %s, pid %s, generation %s: %s\n", time_of(crash, "when").c_str(),
              text_of(crash, "worker").c_str(), text_of(crash, "service").c_str(),
              text_of(crash, "pid").c_str(), text_of(crash, "generation").c_str(),
              text_of(crash, "reason").c_str());
  const bool oom = crash.contains("out_of_memory") && crash["out_of_memory"] == true;
  if (oom) std::printf("  out of memory\n");
  if (const Json running = list_of(crash, "running"); !running.empty()) {
    std::printf("  it ran: %s\n", joined(running).c_str());
  }
  for (const auto& [key, title] : {std::pair("stack", "its stack"), std::pair("stderr", "its last lines")}) {
    const auto text = text_of(crash, key);
    if (!text.empty() && text != "-") std::printf("  %s:\n%s", title, indented(text, "    ").c_str());
  }
}

}  // namespace

int reload(const Common& common, const std::string& service) {
  const auto answer = ask(common, "samovar.reload", service);
  if (answer.result) print_done(*answer.result, "reloaded");
  return answer.exit_code;
}

int scale(const Common& common, const std::string& service, unsigned workers) {
  const auto answer = ask(common, "samovar.scale", service, workers);
  if (answer.result) print_done(*answer.result, "scaled");
  return answer.exit_code;
}

int crashes(const Common& common, const std::string& service) {
  const auto answer =
      service.empty() ? ask(common, "samovar.crashes") : ask(common, "samovar.crashes", service);
  if (!answer.result) return answer.exit_code;
  for (const auto& crash : *answer.result) print_crash(crash);
  if (answer.result->empty()) {
    std::printf("no worker%s has died\n", service.empty() ? "" : (" of '" + service + "'").c_str());
  }
  return 0;
}

}  // namespace samovar::cli
