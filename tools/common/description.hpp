// What a command can be told, for programs: manual pages and the completions of shells are made from it
// (tools/manual/), so that they cannot say anything else than the command does.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>

namespace samovar::tools {

// {"name", "about", "footer", "takes_options_of_commands_above", "options": [...], "arguments": [...],
// "commands": [the same, ...]}; hidden ones are left out. An option is {"names", "about", "group"} and, as far as it has them, "value" (FILE, SERVICE.METHOD, ...; none: a
// flag), "choices", "default", "environment"; an argument {"name", "about", "value", "required", "repeats"}.
nlohmann::ordered_json describe(const CLI::App& app);

// Adds the hidden flag --describe, which prints that. To be called last.
void add_description(CLI::App& app);

}  // namespace samovar::tools
