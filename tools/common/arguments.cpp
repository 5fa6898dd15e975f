#include "tools/common/arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "proto/limits.hpp"

namespace samovar::tools {
namespace {

constexpr std::size_t kMostNested = limits::kMaxDepth - 1;  // beside the message's own array

void replace_bytes(Json& value) {
  if (value.is_object() && value.size() == 1 && value.contains("$bytes") && value["$bytes"].is_string()) {
    if (auto bytes = decode_base64(value["$bytes"].get<std::string>())) {
      value = Json::binary(std::move(*bytes));
      return;
    }
  }
  if (value.is_structured()) {
    for (auto& element : value) replace_bytes(element);
  }
}

}  // namespace

std::optional<std::vector<std::uint8_t>> decode_base64(const std::string& text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text.substr(0, text.find_last_not_of('=') + 1)) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if ((count += 6) >= 8) bytes.push_back(static_cast<std::uint8_t>(bits >> (count -= 8) & 0xff));
  }
  return bytes;
}

Json parse_argument(const std::string& text) {
  // What would not be sent is not walked through either: each level costs stack.
  auto value = parse_json(text, kMostNested);
  if (!value) return text;
  replace_bytes(*value);
  return std::move(*value);
}

Json parse_keywords(const std::vector<std::string>& pairs) {
  Json keywords = Json::object();
  for (const auto& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw std::invalid_argument("--kw " + pair + ": write NAME=VALUE");
    }
    keywords[pair.substr(0, equals)] = parse_argument(pair.substr(equals + 1));
  }
  return keywords;
}

std::string to_msgpack(const Json& value) {
  std::string bytes;
  Json::to_msgpack(value, bytes);
  return bytes;
}

std::optional<std::chrono::microseconds> parse_duration(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"us", 1},   {"ms", 1e3},   {"s", 1e6},
                                                            {"m", 60e6}, {"h", 3600e6}, {"", 1e6}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number <= 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, microseconds] : kUnits) {
    if (unit == name)
      return std::chrono::microseconds(std::llround(std::clamp(number * microseconds, 1.0, 1e15)));
  }
  return std::nullopt;
}

}  // namespace samovar::tools
