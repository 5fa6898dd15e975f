// msgpack's timestamp in full range.
#pragma once

#include <cstdint>

#include <samovar/timestamp.hpp>

namespace samovar::detail {

struct Timestamp {
  std::int64_t seconds = 0;  // since 1970, rounded down
  std::uint32_t nanoseconds = 0;
};

// False when the object is no timestamp.
bool read_timestamp(const msgpack::object& object, Timestamp& time);

}  // namespace samovar::detail
