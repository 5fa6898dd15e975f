// Points in time as text (RFC 3339) and as msgpack has them.
#pragma once

#include <optional>
#include <string>

#include "tools/common/arguments.hpp"

namespace samovar::http {

// Of "2026-11-24T19:38:42.5Z" or with "+01:00" at its end: what to_msgpack makes a timestamp of. Empty when it is none.
std::optional<tools::Json> read_timestamp(const std::string& text);

}  // namespace samovar::http
