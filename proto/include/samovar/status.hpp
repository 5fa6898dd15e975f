// The outcomes a caller can see. Source of truth for the numbers: proto/PROTOCOL.md, section 1.
#pragma once

#include <cstdint>
#include <string_view>

namespace samovar {

enum class Status : std::uint8_t {
  ok = 0,
  app_error = 1,
  bad_request = 2,
  no_service = 3,
  unavailable = 4,
  overloaded = 5,
  deadline_exceeded = 6,
  worker_lost = 7,
  cancelled = 8,
  too_large = 9,
  unauthorized = 10,
  protocol_error = 11,
  broker_lost = 12,
  internal = 13,
  schema_mismatch = 14,
};

inline constexpr std::uint8_t kStatusCount = 15;

// What the caller may do next.
enum class Retry : std::uint8_t {
  no,             // trying again gives the same outcome
  yes,            // nothing ran: trying again is always safe
  if_idempotent,  // it may have run: try again only what may run twice
};

struct StatusInfo {
  std::string_view word;
  Retry retry;
};

constexpr StatusInfo info(Status status) noexcept {
  switch (status) {
    case Status::ok: return {"ok", Retry::no};
    case Status::app_error: return {"app_error", Retry::no};
    case Status::bad_request: return {"bad_request", Retry::no};
    case Status::no_service: return {"no_service", Retry::no};
    case Status::unavailable: return {"unavailable", Retry::yes};
    case Status::overloaded: return {"overloaded", Retry::yes};
    case Status::deadline_exceeded: return {"deadline_exceeded", Retry::no};
    case Status::worker_lost: return {"worker_lost", Retry::if_idempotent};
    case Status::cancelled: return {"cancelled", Retry::no};
    case Status::too_large: return {"too_large", Retry::no};
    case Status::unauthorized: return {"unauthorized", Retry::no};
    case Status::protocol_error: return {"protocol_error", Retry::no};
    case Status::broker_lost: return {"broker_lost", Retry::if_idempotent};
    case Status::internal: return {"internal", Retry::no};
    case Status::schema_mismatch: return {"schema_mismatch", Retry::no};
  }
  return {"internal", Retry::no};
}

constexpr std::string_view to_word(Status status) noexcept {
  return info(status).word;
}

// A number from the wire; one that this version does not know is `internal`.
constexpr Status status_from_wire(std::uint64_t number) noexcept {
  return number < kStatusCount ? static_cast<Status>(number) : Status::internal;
}

}  // namespace samovar
