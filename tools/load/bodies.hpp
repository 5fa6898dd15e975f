// The arguments of the calls, in msgpack, made before the run. All throw std::invalid_argument with a sentence that
// names the option.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace samovar::load {

using Bodies = std::vector<std::string>;

// A JSON array is the list of arguments; other JSON, or a bare word, the only argument.
std::string body_of(const std::string& text);
// The keyword arguments of every call: a JSON object.
std::string keywords_of(const std::string& text);
// One from each line that is not empty.
Bodies bodies_of_lines(const std::string& file);
// The named columns of each row, as text; "name:int", "name:float" and "name:json" for other types.
Bodies bodies_of_csv(const std::string& file, const std::string& columns);
// Random ones (schema.hpp); `schema` is JSON or a file with it.
Bodies bodies_of_schema(const std::string& schema, std::uint64_t seed);
// One argument of so many bytes.
std::string body_of_size(std::uint64_t size);

// The whole file. `option` is named when it cannot be read.
std::string read_text(const std::string& option, const std::string& file);

}  // namespace samovar::load
