// msgpack as JSON text.
#pragma once

#include <msgpack.hpp>
#include <string>

namespace samovar::detail {

// What JSON has no type for: see samovar::Value::to_json.
void append_json(std::string& out, const msgpack::object& object);

}  // namespace samovar::detail
