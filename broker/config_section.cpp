#include "broker/config_section.hpp"

#include <filesystem>

namespace samovar::broker {

namespace {

template <typename Parse>
toml::table parsed(const std::string& path, const Parse& parse) {
  try {
    return parse();
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    throw BadOptions((line ? path + ":" + std::to_string(line) : path) + ": " +
                     std::string(error.description()));
  }
}

}  // namespace

toml::table parse_toml(const std::string& path) {
  // It could be opened, and would look like an empty file.
  if (std::filesystem::is_directory(path)) throw BadOptions(path + ": is a directory, not a file");
  return parsed(path, [&]() -> toml::table { return toml::parse_file(path); });
}

toml::table parse_toml(std::string_view text, const std::string& path) {
  return parsed(path, [&]() -> toml::table { return toml::parse(text, path); });
}

void for_each_block(Section& top, const char* name, const std::function<void(const toml::table&)>& read) {
  const auto* node = top.find(name);
  if (!node) return;
  const auto* array = node->as_array();
  if (!array || !array->is_homogeneous<toml::table>()) {
    top.fail(*node, name, std::string("has to be written as [[") + name + "]]");
  }
  for (const auto& element : *array) read(*element.as_table());
}

}  // namespace samovar::broker
