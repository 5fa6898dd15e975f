// Random arguments. A schema is a JSON array with an element for each argument:
//
//   {"type": "int", "min": 0, "max": 9}          {"type": "float", "min": 0, "max": 1}
//   {"type": "string", "length": 8}              or "min_length", "max_length"; "alphabet": "abc"
//   {"type": "bytes", "length": 1024}            {"type": "ipv4"}      {"type": "bool"}
//   {"type": "array", "length": 3, "items": SCHEMA}
//   {"enum": ["a", 5, null]}                     one of these
//   {"const": "a"}                               always this
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace samovar::load {

class Schema {
 public:
  using Json = nlohmann::ordered_json;

  // Throws std::invalid_argument with a sentence when it is none.
  Schema(Json elements, std::uint64_t seed);

  // A JSON array of arguments.
  Json draw();

 private:
  Json draw(const Json& element);
  std::size_t draw_length(const Json& element);
  std::int64_t draw_int(std::int64_t least, std::int64_t most);

  const Json elements_;
  std::mt19937_64 random_;
};

}  // namespace samovar::load
