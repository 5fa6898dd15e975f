// What a person types for arguments, durations and keywords.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/json.hpp"

namespace samovar::tools {

// JSON if it is JSON, else the text itself. {"$bytes": base64} stands for bytes. Throws std::invalid_argument with a sentence for
// what is nested too deep.
Json parse_argument(const std::string& text);

// NAME=VALUE pairs, values as above. Throws std::invalid_argument with a sentence.
Json parse_keywords(const std::vector<std::string>& pairs);

std::string to_msgpack(const Json& value);

// Empty when it is none.
std::optional<std::vector<std::uint8_t>> decode_base64(const std::string& text);

// "50ms", "5s", "2m", "1h", "100us"; a number alone is seconds.
std::optional<std::chrono::microseconds> parse_duration(const std::string& text);

}  // namespace samovar::tools
