// Reads and writes the maps of control messages and errors, key by key. Internal to the codec.
#pragma once

#include <array>
#include <cstdint>
#include <msgpack.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::proto {

template <typename Enum, std::size_t N>
bool from_word(const std::array<std::string_view, N>& words, std::string_view word, Enum& out) {
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == word) {
      out = static_cast<Enum>(i);
      return true;
    }
  }
  return false;
}

// Reads a map key by key: field(name, target) in any order, then one verdict.
class MapReader {
 public:
  explicit MapReader(std::string_view map) : bytes_(map) {
    // Structure and depth have been checked by Cursor; this decodes into the zone.
    try {
      handle_ = msgpack::unpack(map.data(), map.size());
    } catch (const std::exception&) {
      why_ = "a control map cannot be decoded";
      return;
    }
    map_ = &*handle_;
    if (map_->type != msgpack::type::MAP) why_ = "a control message does not hold a map";
  }
  // A map within a map, which it borrows.
  explicit MapReader(const msgpack::object& map) : map_(&map) {
    if (map.type != msgpack::type::MAP) why_ = "a value of a control message has the wrong type";
  }

  template <typename T>
  MapReader& field(std::string_view key, T& target) {
    if (const auto* value = find(key)) take(*value, target);
    return *this;
  }

  template <typename T>
  MapReader& required(std::string_view key, T& target) {
    if (const auto* value = find(key)) {
      take(*value, target);
    } else if (!why_) {
      why_ = "a required key is missing from a control message";
    }
    return *this;
  }

  template <typename Enum, std::size_t N>
  MapReader& word(std::string_view key, const std::array<std::string_view, N>& words, Enum& target) {
    std::string text;
    required(key, text);
    if (!why_ && !from_word(words, text, target))
      why_ = "a word of a control message is not one that is known";
    return *this;
  }

  // The value of a key: the last one, as in every decoder that builds a dictionary. A nil counts as absent.
  const msgpack::object* find(std::string_view key) const {
    if (why_) return nullptr;
    const auto& map = map_->via.map;
    for (std::uint32_t i = map.size; i-- > 0;) {
      const auto& k = map.ptr[i].key;
      if (k.type == msgpack::type::STR && std::string_view(k.via.str.ptr, k.via.str.size) == key) {
        return map.ptr[i].val.is_nil() ? nullptr : &map.ptr[i].val;
      }
    }
    return nullptr;
  }

  // The msgpack of a value as it came, of one type or of any; nothing where it is absent. Not within a map within a map.
  MapReader& raw(std::string_view key, std::optional<msgpack::type::object_type> type, std::string& target) {
    const auto* value = find(key);
    if (!value) return *this;
    if (type && value->type != *type) return wrong_type(), *this;
    Cursor cursor(bytes_);
    std::uint32_t entries = 0;
    cursor.read_map(entries);
    for (std::uint32_t i = 0; i < entries; ++i) {
      std::string_view name;
      std::string_view bytes;
      const bool is_text = cursor.read_str(name);
      if (!is_text) cursor.skip(limits::kMaxDepth, name);
      cursor.skip(limits::kMaxDepth, bytes);
      if (is_text && name == key) target = bytes;
    }
    return *this;
  }

  Malformed verdict() const { return why_; }

 private:
  void wrong_type() { why_ = "a value of a control message has the wrong type"; }

  void take(const msgpack::object& value, std::string& target) {
    if (value.type != msgpack::type::STR) return wrong_type();
    target.assign(value.via.str.ptr, value.via.str.size);
  }
  void take(const msgpack::object& value, std::uint64_t& target) {
    if (value.type != msgpack::type::POSITIVE_INTEGER || value.via.u64 > limits::kMaxPrefixInteger) {
      return wrong_type();
    }
    target = value.via.u64;
  }
  void take(const msgpack::object& value, bool& target) {
    if (value.type != msgpack::type::BOOLEAN) return wrong_type();
    target = value.via.boolean;
  }
  void take(const msgpack::object& value, std::optional<std::uint64_t>& target) {
    take(value, target.emplace());
  }
  void take(const msgpack::object& value, std::vector<std::uint64_t>& target) {
    if (value.type != msgpack::type::ARRAY) return wrong_type();
    for (std::uint32_t i = 0; i < value.via.array.size; ++i)
      take(value.via.array.ptr[i], target.emplace_back());
  }
  void take(const msgpack::object& value, std::map<std::string, MethodInfo, std::less<>>& target) {
    if (value.type != msgpack::type::MAP) return wrong_type();
    for (std::uint32_t i = 0; i < value.via.map.size; ++i) {
      const auto& entry = value.via.map.ptr[i];
      std::string name;
      MethodInfo method;
      take(entry.key, name);
      if (const auto why = read_method(MapReader(entry.val), method)) why_ = why;
      target.insert_or_assign(std::move(name), method);
    }
  }

  static Malformed read_method(MapReader options, MethodInfo& out) {
    std::uint64_t priority = static_cast<std::uint64_t>(out.priority);
    options.field("idempotent", out.idempotent)
        .field("pure", out.pure)
        .field("stream", out.stream)
        .field("cancel", out.cancel)
        .field("timeout_us", out.timeout_us)
        .field("hard_timeout_us", out.hard_timeout_us)
        .field("priority", priority);
    if (priority >= kPriorities) return "a method's priority is not 0, 1 or 2";
    out.priority = static_cast<Priority>(priority);
    return options.verdict();
  }

  std::string_view bytes_;
  msgpack::object_handle handle_;
  const msgpack::object* map_ = nullptr;
  Malformed why_ = nullptr;
};

// Writes a map of those keys that have a value: each value is encoded at once, the count comes first at the end.
class MapWriter {
 public:
  MapWriter& field(std::string_view key, std::string_view text) {
    if (text.empty()) return *this;
    return open(key), append_str(entries_, text), *this;
  }
  MapWriter& field(std::string_view key, std::uint64_t number) {
    return open(key), append_uint(entries_, number), *this;
  }
  MapWriter& field(std::string_view key, const std::optional<std::uint64_t>& number) {
    return number ? field(key, *number) : *this;
  }
  MapWriter& flag(std::string_view key, bool value) {
    return open(key), entries_.push_back(value ? '\xc3' : '\xc2'), *this;
  }
  // Nothing where there is no msgpack.
  MapWriter& raw(std::string_view key, std::string_view msgpack) {
    if (msgpack.empty()) return *this;
    return open(key), entries_.append(msgpack), *this;
  }

  std::string map() const {
    std::string out;
    append_map(out, count_);
    return out + entries_;
  }

  std::string message(Kind kind, std::uint64_t epoch) const {
    std::string out{'\x94'};
    append_uint(out, kVersion);
    append_uint(out, static_cast<std::uint64_t>(kind));
    append_uint(out, epoch);
    return out + map();
  }

 private:
  void open(std::string_view key) {
    append_str(entries_, key);
    ++count_;
  }

  std::string entries_;
  std::uint32_t count_ = 0;
};

}  // namespace samovar::proto
