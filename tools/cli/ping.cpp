// samovar ping: round trips between this process and the broker.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include <samovar/client.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"
#include "tools/common/arguments.hpp"

namespace samovar::cli {

using tools::Json;

int ping(const Common& common, int count) {
  using Clock = std::chrono::steady_clock;
  Client client{common.endpoint, options_of(common)};
  std::vector<double> milliseconds;
  for (int i = 0; i < count; ++i) {
    const auto start = Clock::now();
    const auto result = client.try_call<std::string>("samovar.ping");
    if (!result.ok()) return report(result.error(), common.verbose);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    if (common.json) continue;
    std::printf("%s from %s: %.3f ms%s\n", result->c_str(), common.endpoint.c_str(), milliseconds.back(),
                i == 0 ? " (with connecting)" : "");
    std::fflush(stdout);
  }
  if (common.json) {
    std::printf("%s\n", Json{{"endpoint", common.endpoint}, {"round_trip_ms", milliseconds}}.dump().c_str());
  } else if (count > 2) {
    std::sort(milliseconds.begin() + 1, milliseconds.end());
    std::printf("connected: min %.3f ms, median %.3f ms, max %.3f ms\n", milliseconds[1],
                milliseconds[(milliseconds.size() + 1) / 2], milliseconds.back());
  }
  return 0;
}

}  // namespace samovar::cli
