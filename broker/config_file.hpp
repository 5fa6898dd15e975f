// The TOML file of samovard.
#pragma once

#include <string>
#include <string_view>

#include "broker/options.hpp"

namespace samovar::broker {

// Sets in `options` what the file names. An unreadable file, a key that is not known, a value of the wrong type or
// out of range: throws BadOptions with the file, the line and the key.
void read_config_file(const std::string& path, Options& options);

// The same of a file's content.
void read_config(std::string_view text, const std::string& path, Options& options);

// A file with every key, its default and its meaning.
std::string default_config();

}  // namespace samovar::broker
