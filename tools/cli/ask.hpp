// One call of the broker's own methods.
#pragma once

#include <cstdio>
#include <optional>

#include <samovar/client.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"
#include "tools/common/arguments.hpp"

namespace samovar::cli {

// Its result, or what to return from main: the failure has been reported; or the result has been printed, since JSON
// was asked for.
struct Answer {
  int exit_code = 0;
  std::optional<tools::Json> result;
};

template <typename... Arguments>
Answer ask(const Common& common, const char* method, const Arguments&... arguments) {
  Client client{common.endpoint, options_of(common)};
  const auto result = client.try_call<Value>(method, arguments...);
  if (!result.ok()) return {report(result.error(), common.verbose), std::nullopt};
  if (common.json) return std::printf("%s\n", result->to_json().c_str()), Answer{};
  return {0, tools::Json::parse(result->to_json())};
}

}  // namespace samovar::cli
