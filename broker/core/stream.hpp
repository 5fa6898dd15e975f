// What a request for a stream has beside any other.
#pragma once

#include <cstdint>

#include "broker/core/timers.hpp"

namespace samovar::broker {

struct Stream {
  Stream(void* request, std::uint32_t first)
      : first_window(first), window(first), idle(Timer::Kind::stream, request) {}

  const std::uint32_t first_window;  // of the request's ext: what its worker knows of by itself
  std::uint64_t window;              // items that may have come, counted from the start
  std::uint64_t items = 0;           // that have come, and gone on to the caller
  Timer idle;                        // set while a worker has used the window up
};

}  // namespace samovar::broker
