// What CLI11 needs to be told about words that look like JSON.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace samovar::tools {

// The arguments from the last to the first, as CLI11 wants them. It would take "-5" for an option and split "[1,2]"
// at its commas: such a word gets a space in front, which JSON does not mind.
std::vector<std::string> shielded(int argc, char** argv);
// Takes the spaces away again.
void unshield(std::string& argument);
void unshield(std::vector<std::string>& arguments);

// Accepts what parse_duration() does.
CLI::Validator duration();

}  // namespace samovar::tools
