// What the parts of the core say in the same words.
#pragma once

#include <string>
#include <string_view>
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

// To those who ask about it.
inline proto::ErrorValue unknown_service(std::string_view name) {
  return error_at("broker",
                  "no service '" + std::string(name) + "': samovar services lists those that there are");
}

}  // namespace samovar::broker
