// What `samovar status` counts, as figures that can be added and subtracted: how calls ended, and how long they were
// queued and ran.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/arguments.hpp"

namespace samovar::tools {

using Counts = std::vector<std::uint64_t>;

struct Tally {
  std::map<std::string, std::uint64_t> outcomes;  // by code, "ok" too; what is 0 may be missing
  Counts queued;                                  // in the buckets of the status (bounds_us)
  Counts run;

  static Tally of_method(const Json& method);
  static Tally of_service(const Json& service);
  // Of all services, with what was refused before its method was known; without the broker's own methods.
  static Tally of_status(const Json& status);

  Tally& operator+=(const Tally& other);
  // What came since then; all of it when that was before the broker's start.
  Tally since(const Tally& before) const;

  std::uint64_t ok() const;
  std::uint64_t failed() const;
};

// Of times that were counted in buckets with these upper bounds: below it is `share` of them. Within a bucket they are taken
// to be spread evenly; what is beyond the last bound is that bound. Empty when nothing was counted.
std::optional<double> quantile_us(const Counts& counts, const Json& bounds_us, double share);

// A JSON map of a status, where any key may be missing: the broker may be older.
std::uint64_t count_of(const Json& map, const char* key);

}  // namespace samovar::tools
