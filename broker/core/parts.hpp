// Small things that the parts of the core share.
#pragma once

#include <string>
#include <utility>

#include "broker/core/types.hpp"
#include "proto/control.hpp"

namespace samovar::broker {

inline proto::ErrorValue error_at(const char* where, std::string message) {
  proto::ErrorValue error;
  error.where = where;
  error.message = std::move(message);
  return error;
}

// The attachments of one item: `count` of them, behind those that have been taken.
inline Frames part_of(const Frames& attachments, std::size_t taken, std::uint32_t count) {
  if (count == 0) return {};
  const auto from = attachments.begin() + static_cast<std::ptrdiff_t>(taken);
  return {from, from + count};
}

}  // namespace samovar::broker
