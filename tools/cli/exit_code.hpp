// How the command ends.
#pragma once

#include <string>

#include <samovar/error.hpp>
#include <samovar/status.hpp>

namespace samovar::cli {

inline constexpr int kUsageError = 2;

// One for each class of failure.
int exit_code(Status status);

// For --help.
std::string exit_code_table();

// Says on stderr why a call failed, in one sentence that starts with the outcome's word; with `verbose` also what the
// worker left behind. Gives the exit code.
int report(const Error& error, bool verbose);

}  // namespace samovar::cli
