#include "tools/load/schema.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace samovar::load {
namespace {

constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::int64_t kLongest = 64 << 20;

std::invalid_argument wrong(const Schema::Json& element, const std::string& why) {
  return std::invalid_argument("--args-schema: " + element.dump() + ": " + why);
}

template <typename T>
T number(const Schema::Json& element, const char* key, T otherwise) {
  if (!element.contains(key)) return otherwise;
  if (!element[key].is_number()) throw wrong(element, std::string("\"") + key + "\" is no number");
  return element[key].get<T>();
}

}  // namespace

Schema::Schema(Json elements, std::uint64_t seed) : elements_(std::move(elements)), random_(seed) {
  draw();  // finds what is wrong
}

Schema::Json Schema::draw() {
  Json arguments = Json::array();
  for (const auto& element : elements_) arguments.push_back(draw(element));
  return arguments;
}

std::int64_t Schema::draw_int(std::int64_t least, std::int64_t most) {
  return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
}

std::size_t Schema::draw_length(const Json& element) {
  const auto fixed = number<std::int64_t>(element, "length", 8);
  const auto least = number<std::int64_t>(element, "min_length", fixed);
  const auto most = number<std::int64_t>(element, "max_length", std::max(fixed, least));
  if (least < 0 || most < least || most > kLongest) throw wrong(element, "its lengths make no sense");
  return static_cast<std::size_t>(draw_int(least, most));
}

Schema::Json Schema::draw(const Json& element) {
  if (!element.is_object())
    throw wrong(element, "write an object such as {\"type\": \"int\", \"min\": 0, \"max\": 9}");
  if (element.contains("const")) return element["const"];
  if (element.contains("enum")) {
    const Json& values = element["enum"];
    if (!values.is_array() || values.empty()) throw wrong(element, "\"enum\" is a list that is not empty");
    return values[static_cast<std::size_t>(draw_int(0, static_cast<std::int64_t>(values.size()) - 1))];
  }
  const std::string type =
      element.contains("type") && element["type"].is_string() ? element["type"] : Json("");
  if (type == "int") {
    const auto least = number<std::int64_t>(element, "min", 0);
    const auto most = number<std::int64_t>(element, "max", 1'000'000);
    if (most < least) throw wrong(element, "\"max\" is below \"min\"");
    return draw_int(least, most);
  }
  if (type == "float") {
    const auto least = number<double>(element, "min", 0);
    const auto most = number<double>(element, "max", 1);
    if (most < least) throw wrong(element, "\"max\" is below \"min\"");
    return std::uniform_real_distribution<double>(least, most)(random_);
  }
  if (type == "bool") return draw_int(0, 1) == 1;
  if (type == "ipv4") {
    std::string address;
    for (int i = 0; i < 4; ++i)
      address += (i == 0 ? "" : ".") + std::to_string(draw_int(i == 0 ? 1 : 0, i == 0 ? 223 : 255));
    return address;
  }
  if (type == "string") {
    const std::string letters = element.value("alphabet", std::string(kLetters));
    if (letters.empty()) throw wrong(element, "its alphabet is empty");
    std::string text(draw_length(element), ' ');
    for (char& c : text)
      c = letters[static_cast<std::size_t>(draw_int(0, static_cast<std::int64_t>(letters.size()) - 1))];
    return text;
  }
  if (type == "bytes") {
    std::vector<std::uint8_t> bytes(draw_length(element));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(draw_int(0, 255));
    return Json::binary(std::move(bytes));
  }
  if (type == "array" && element.contains("items")) {
    Json list = Json::array();
    for (auto left = draw_length(element); left > 0; --left) list.push_back(draw(element["items"]));
    return list;
  }
  throw wrong(element, "\"type\" is one of int, float, bool, string, bytes, ipv4 and array (with \"items\")");
}

}  // namespace samovar::load
