// Reading TOML files whose every mistake is named with file, line and key.
#pragma once

#include <toml++/toml.h>
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/types.hpp"
#include "broker/options.hpp"

namespace samovar::broker {

// Throws BadOptions.
toml::table parse_toml(const std::string& path);
// The same of a file's content.
toml::table parse_toml(std::string_view text, const std::string& path);

// One table of the file: takes the keys that are known, then names the first one that is not.
class Section {
 public:
  Section(const std::string& path, std::string name, const toml::table& table)
      : path_(path), name_(std::move(name)), table_(table) {}

  void text(const char* key, std::string& out) {
    if (const auto* node = find(key)) out = value<std::string>(*node, key, "a string");
  }

  void flag(const char* key, bool& out) {
    if (const auto* node = find(key)) out = value<bool>(*node, key, "true or false");
  }

  template <typename Number>
  void number(const char* key, Number& out, std::int64_t least, std::int64_t most) {
    const auto* node = find(key);
    if (!node) return;
    const auto got = value<std::int64_t>(*node, key, "a whole number");
    if (got < least || got > most) {
      fail(*node, key, "has to be between " + std::to_string(least) + " and " + std::to_string(most));
    }
    out = static_cast<Number>(got);
  }

  void milliseconds(const char* key, Duration& out) {
    std::int64_t ms = -1;
    number(key, ms, 0, std::int64_t{1000} * 3600 * 24 * 365);
    if (ms >= 0) out = std::chrono::milliseconds(ms);
  }

  void texts(const char* key, std::vector<std::string>& out) {
    const auto* node = find(key);
    if (!node) return;
    if (node->is_string()) {
      out = {node->value_or(std::string())};
      return;
    }
    const auto* array = node->as_array();
    if (!array || (!array->empty() && !array->is_homogeneous<std::string>()))
      fail(*node, key, "has to be a string or a list of strings");
    out.clear();
    for (const auto& element : *array) out.push_back(element.value_or(std::string()));
  }

  void numbers(const char* key, std::vector<int>& out, std::int64_t most) {
    const auto* node = find(key);
    if (!node) return;
    const auto* array = node->as_array();
    if (!array) fail(*node, key, "has to be a list of whole numbers");
    out.clear();
    for (const auto& element : *array) {
      const auto got = element.value_exact<std::int64_t>();
      if (!got || *got < 0 || *got > most) {
        fail(*node, key, "has to be a list of whole numbers from 0 to " + std::to_string(most));
      }
      out.push_back(static_cast<int>(*got));
    }
  }

  const toml::node* find(const char* key) {
    known_.push_back(key);
    const auto at = table_.find(key);
    return at == table_.end() ? nullptr : &at->second;
  }

  void finish() const {
    for (const auto& [key, node] : table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end()) {
        std::string names;
        for (const auto& known : known_) names += (names.empty() ? "" : ", ") + known;
        throw BadOptions(where(node) + "unknown key '" + name_ + std::string(key.str()) +
                         "'; known here: " + names);
      }
    }
  }

  [[noreturn]] void fail(const toml::node& node, const std::string& key, const std::string& why) const {
    throw BadOptions(where(node) + "'" + name_ + key + "' " + why);
  }

 private:
  template <typename T>
  T value(const toml::node& node, const char* key, const char* wanted) const {
    if (const auto got = node.value_exact<T>()) return *got;
    fail(node, key, std::string("has to be ") + wanted);
  }

  std::string where(const toml::node& node) const {
    return path_ + ":" + std::to_string(node.source().begin.line) + ": ";
  }

  const std::string& path_;
  const std::string name_;
  const toml::table& table_;
  std::vector<std::string> known_;
};

// Each of the blocks that are written as [[name]].
void for_each_block(Section& top, const char* name, const std::function<void(const toml::table&)>& read);

}  // namespace samovar::broker
