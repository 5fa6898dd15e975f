// Numbers as msgpack writes them: big-endian.
#pragma once

#include <bit>
#include <concepts>

namespace samovar::proto {

template <std::unsigned_integral Number>
constexpr Number from_big_endian(Number number) {
  if constexpr (std::endian::native == std::endian::big || sizeof(Number) == 1) {
    return number;
  } else if constexpr (sizeof(Number) == 2) {
    return __builtin_bswap16(number);
  } else if constexpr (sizeof(Number) == 4) {
    return __builtin_bswap32(number);
  } else {
    return __builtin_bswap64(number);
  }
}

template <std::unsigned_integral Number>
constexpr Number to_big_endian(Number number) {
  return from_big_endian(number);
}

}  // namespace samovar::proto
