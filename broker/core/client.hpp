// A client as its broker sees it.
#pragma once

#include <string>

#include "broker/core/estimate.hpp"
#include "broker/core/grant.hpp"
#include "broker/core/id_table.hpp"
#include "broker/core/request.hpp"
#include "broker/core/schemas.hpp"

namespace samovar::broker {

struct Client {
  explicit Client(std::uint64_t secret = 0) : outstanding(secret) {}

  PeerId peer{};
  Epoch epoch{};
  std::string name;
  bool same_clock = false;
  bool drained = false;               // it has heard that the broker drains
  GrantPtr grant;                     // null without security
  const Service* may_call = nullptr;  // the last that it was found to be allowed
  IdTable<Request> outstanding;       // by the client's own id
  std::size_t queued_bytes = 0;
  RateLimit rate;
  Declared declared;
};

}  // namespace samovar::broker
