// JSON that was written elsewhere.
#pragma once

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace samovar::tools {

using Json = nlohmann::ordered_json;

// Empty when the text is none. Throws std::invalid_argument with a sentence for what is nested deeper. Of a key that stands twice
// the last value counts. Json::parse looks at all earlier keys of an object for each: it is for what is known to be small.
std::optional<Json> parse_json(std::string_view text,
                               std::size_t most_nested = std::numeric_limits<std::size_t>::max());

}  // namespace samovar::tools
