// The arguments of a call of the broker's own methods: a body taken apart by the names of its parameters.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {

class Arguments {
 public:
  // `body` is that of a request: args, then kwargs, of which the structure has been checked. A nil counts as absent.
  Arguments(std::string_view body, std::initializer_list<std::string_view> names) : values_(names.size()) {
    proto::Cursor cursor(body);
    std::uint32_t count = 0;
    cursor.read_array(count);
    for (std::uint32_t i = 0; i < count; ++i) set(i, cursor);
    if (cursor.read_nil() || !cursor.read_map(count)) return;
    for (std::uint32_t i = 0; i < count; ++i) {
      std::string_view key;
      std::size_t at = names.size();
      if (cursor.read_str(key)) {
        for (at = 0; at < names.size() && names.begin()[at] != key;) ++at;
      } else {
        cursor.skip(limits::kMaxDepth, key);
      }
      set(at, cursor);
    }
  }

  // No argument too many, none unknown, none twice.
  bool fit() const { return fit_; }
  bool has(std::size_t at) const { return !values_[at].empty(); }
  // False when it is absent, or of another type.
  bool text(std::size_t at, std::string_view& out) const { return proto::Cursor(values_[at]).read_str(out); }
  bool map(std::size_t at, std::string_view& out) const {
    out = values_[at];
    return proto::Cursor(out).at_map();
  }
  bool number(std::size_t at, std::uint64_t& out) const { return proto::Cursor(values_[at]).read_uint(out); }

 private:
  void set(std::size_t at, proto::Cursor& cursor) {
    std::string_view value;
    if (!cursor.skip(limits::kMaxDepth, value) || at >= values_.size() || !values_[at].empty()) {
      fit_ = false;
      return;
    }
    if (!proto::Cursor(value).at_nil()) values_[at] = value;
  }

  std::vector<std::string_view> values_;  // empty: absent
  bool fit_ = true;
};

}  // namespace samovar::broker
