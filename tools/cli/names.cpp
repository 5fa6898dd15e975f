// samovar names: what shells complete. Nobody waits for a broker that does not answer, and nothing is said about it.
#include <cstdio>
#include <string>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"
#include "tools/cli/json_maps.hpp"

namespace samovar::cli {

int names(Common common, const std::string& kind) {
  using namespace std::chrono_literals;
  common.timeout = 500ms;
  Client client{common.endpoint, options_of(common)};
  const auto status = client.try_call<Value>("samovar.status");
  if (!status.ok()) return exit_code(status.error().code());
  const Json services = tools::Json::parse(status->to_json());
  for (const auto& service : sorted_list_of(services, "services")) {
    const auto name = text_of(service, "name");
    if (kind == "services") std::printf("%s\n", name.c_str());
    if (kind == "services") continue;
    for (const auto& method : sorted_list_of(service, "methods")) {
      std::printf("%s.%s\n", name.c_str(), text_of(method, "name").c_str());
    }
  }
  return 0;
}

}  // namespace samovar::cli
