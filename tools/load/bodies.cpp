#include "tools/load/bodies.hpp"

#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tools/common/arguments.hpp"
#include "tools/load/csv.hpp"
#include "tools/load/quantity.hpp"
#include "tools/load/schema.hpp"

namespace samovar::load {
namespace {

using tools::Json;
using tools::parse_argument;
using tools::to_msgpack;

// Random arguments are drawn before the run, and then taken in turns: so many, or fewer when they are large.
constexpr std::size_t kDrawn = 10'000;
constexpr std::size_t kDrawnBytes = 64 << 20;

struct Column {
  std::size_t index;
  std::string type;
};

std::vector<Column> find_columns(const std::string& columns, const std::vector<std::string>& head) {
  std::vector<Column> found;
  std::istringstream stream(columns);
  for (std::string name; std::getline(stream, name, ',');) {
    std::string type = "text";
    if (const auto colon = name.rfind(':'); colon != std::string::npos) {
      type = name.substr(colon + 1);
      name.resize(colon);
    }
    if (type != "text" && type != "int" && type != "float" && type != "json") {
      throw std::invalid_argument("--columns: '" + type + "' is no type: int, float, json or text");
    }
    std::size_t index = 0;
    while (index < head.size() && head[index] != name) ++index;
    if (index == head.size()) {
      throw std::invalid_argument("--columns: the file's first line names no column '" + name + "'");
    }
    found.push_back({index, std::move(type)});
  }
  return found;
}

Json cell(const std::string& text, const std::string& type, std::size_t row) {
  if (type == "text") return text;
  const auto number = parse_number(text);
  if (type == "int" && number) return static_cast<std::int64_t>(*number);
  if (type == "float" && number) return *number;
  auto value = tools::parse_json(text);
  if (type != "json" || !value) {
    throw std::invalid_argument("--args-csv: row " + std::to_string(row) + ": '" + text + "' is no " + type);
  }
  return std::move(*value);
}

}  // namespace

std::string read_text(const std::string& option, const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw std::invalid_argument(option + ": cannot read " + file);
  return text;
}

std::string body_of(const std::string& text) {
  auto value = parse_argument(text);
  return to_msgpack(value.is_array() ? value : Json::array({std::move(value)}));
}

std::string keywords_of(const std::string& text) {
  const auto value = tools::parse_json(text);
  if (!value || !value->is_object()) {
    throw std::invalid_argument("--kwargs '" + text + R"(': write a JSON object: {"name": value})");
  }
  return to_msgpack(*value);
}

Bodies bodies_of_lines(const std::string& file) {
  std::istringstream lines(read_text("--args-file", file));
  Bodies bodies;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) bodies.push_back(body_of(line));
  }
  if (bodies.empty()) throw std::invalid_argument("--args-file: " + file + " has no lines");
  return bodies;
}

Bodies bodies_of_csv(const std::string& file, const std::string& columns) {
  const auto rows = parse_csv(read_text("--args-csv", file));
  if (rows.size() < 2)
    throw std::invalid_argument("--args-csv: " + file + " has no rows below its first line");
  const auto wanted = find_columns(columns, rows[0]);
  Bodies bodies;
  for (std::size_t row = 1; row < rows.size(); ++row) {
    Json arguments = Json::array();
    for (const auto& column : wanted) {
      if (column.index >= rows[row].size()) {
        throw std::invalid_argument("--args-csv: row " + std::to_string(row + 1) + " of " + file +
                                    " is too short");
      }
      arguments.push_back(cell(rows[row][column.index], column.type, row + 1));
    }
    bodies.push_back(to_msgpack(arguments));
  }
  return bodies;
}

Bodies bodies_of_schema(const std::string& schema, std::uint64_t seed) {
  const bool here = schema.find_first_of("[{") != std::string::npos;
  const auto json = Json::parse(here ? schema : read_text("--args-schema", schema), nullptr, false);
  if (!json.is_array()) {
    throw std::invalid_argument("--args-schema: write a JSON array with a schema for each argument");
  }
  Schema drawer(json, seed);
  Bodies bodies;
  for (std::size_t bytes = 0; bodies.size() < kDrawn && bytes < kDrawnBytes; bytes += bodies.back().size()) {
    bodies.push_back(to_msgpack(drawer.draw()));
  }
  return bodies;
}

std::string body_of_size(std::uint64_t size) {
  return to_msgpack(Json::array({Json::binary(std::vector<std::uint8_t>(size, 'x'))}));
}

}  // namespace samovar::load
