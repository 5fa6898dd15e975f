// What the parts of the core say in the same words.
#pragma once

#include <string>
#include <utility>

#include "proto/control.hpp"

namespace samovar::broker {

inline constexpr const char* kGoingAway = "the broker is going away; nothing ran, try again";

inline proto::ErrorValue error_at(const char* where, std::string message) {
  proto::ErrorValue error;
  error.where = where;
  error.message = std::move(message);
  return error;
}

}  // namespace samovar::broker
