#include "tools/cli/json_maps.hpp"

#include <string.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <sstream>

namespace samovar::cli {

std::string text_of(const Json& map, const char* key) {
  if (!map.is_object() || !map.contains(key) || map[key].is_null()) return "-";
  const Json& value = map[key];
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return std::to_string(value.size());
  return value.dump();
}

std::string whole_number(const Json& map, const char* key) {
  if (!map.is_object() || !map.contains(key) || !map[key].is_number()) return "-";
  return std::to_string(std::llround(map[key].get<double>()));
}

Json list_of(const Json& map, const char* key) {
  return map.is_object() && map.contains(key) && map[key].is_array() ? map[key] : Json::array();
}

Json sorted(Json list) {
  std::sort(list.begin(), list.end(), [](const Json& left, const Json& right) {
    return ::strverscmp(text_of(left, "name").c_str(), text_of(right, "name").c_str()) < 0;
  });
  return list;
}

Json sorted_list_of(const Json& map, const char* key) {
  return sorted(list_of(map, key));
}

Json map_of(const Json& map, const char* key) {
  return map.is_object() && map.contains(key) && map[key].is_object() ? map[key] : Json::object();
}

std::string joined(const Json& list) {
  std::string text;
  for (const auto& element : list) {
    const Json& name = element.is_object() && element.contains("name") ? element["name"] : element;
    text += (text.empty() ? "" : ", ") + (name.is_string() ? name.get<std::string>() : name.dump());
  }
  return text;
}

std::string for_people(double seconds) {
  const auto whole = static_cast<long>(seconds);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

std::string time_of(const Json& map, const char* key) {
  if (!map.is_object() || !map.contains(key) || !map[key].is_number()) return "-";
  const auto seconds = static_cast<std::time_t>(map[key].get<double>());
  std::tm local{};
  std::array<char, 32> text{};
  localtime_r(&seconds, &local);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local)};
}

std::string indented(const std::string& text, const std::string& indent) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) out += indent + line + '\n';
  return out;
}

}  // namespace samovar::cli
