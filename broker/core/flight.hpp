// Equal requests of a pure method that are outstanding at the same time: one of them runs, the leader, and its outcome
// is that of all. Its followers are on no queue and with no worker.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "broker/core/list.hpp"
#include "broker/core/request.hpp"

namespace samovar::broker {

struct Flight {
  Request* leader = nullptr;
  std::uint64_t hash = 0;
  std::size_t body_bytes = 0;  // of the leader's payload: args and kwargs
  List<Request, &Request::link> followers;
};

using Flights = std::unordered_map<std::uint64_t, Flight>;  // by a keyed hash of method and body

}  // namespace samovar::broker
