#include "tools/cli/exit_code.hpp"

#include <cstdio>

namespace samovar::cli {

int exit_code(Status status) {
  const int number = static_cast<int>(status);
  return number <= static_cast<int>(Status::app_error) ? number : number + 1;  // 2 is for usage errors
}

std::string exit_code_table() {
  std::string table = "Exit codes:";
  for (int code = 0, status = 0; status < kStatusCount; ++code) {
    table += code % 5 == 0 ? "\n  " : "   ";
    table += std::to_string(code) + ' ';
    table += code == kUsageError ? "usage error" : to_word(static_cast<Status>(status++));
  }
  return table;
}

int report(const Error& error, bool verbose) {
  std::string text = error.what();
  const auto& details = error.details();
  const auto colon = text.find(": ");
  if (!details.type.empty() && colon != std::string::npos &&
      error.message().find(details.type) == std::string::npos) {
    text.insert(colon + 2, details.type + ": ");
  }
  // Why a pool has failed comes with its traceback.
  const auto end = error.message().find('\n');
  const auto begin = text.find(error.message());
  if (!verbose && error.code() == Status::unavailable && end != std::string::npos &&
      begin != std::string::npos) {
    text.erase(begin + end, error.message().size() - end);
  }
  std::fprintf(stderr, "%s\n", text.c_str());
  if (verbose && !details.traceback.empty()) std::fputs(details.traceback.c_str(), stderr);
  if (verbose && !details.stack.empty()) {
    std::fprintf(stderr, "Where it was:\n%s\n", details.stack.c_str());
  }
  if (verbose && !details.stderr_lines.empty()) {
    std::fprintf(stderr, "The worker's last lines:\n%s\n", details.stderr_lines.c_str());
  }
  return exit_code(error.code());
}

}  // namespace samovar::cli
