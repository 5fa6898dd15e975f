// Frames that are changed before they are sent.
#pragma once

#include <string>
#include <string_view>

#include "proto/codec.hpp"
#include "proto/cursor.hpp"

namespace samovar::fuzz {

// The frame with another epoch in its head; as it is when it has none.
inline std::string with_epoch(std::string_view frame, std::uint64_t epoch) {
  proto::Cursor cursor(frame);
  std::uint32_t size = 0;
  std::uint64_t number = 0;
  if (!cursor.read_array(size) || !cursor.read_uint(number) || !cursor.read_uint(number))
    return std::string(frame);
  std::string out(frame.data(), cursor.position());
  if (!cursor.read_uint(number)) return std::string(frame);
  proto::append_uint(out, epoch);
  return out.append(cursor.position(), frame.data() + frame.size());
}

}  // namespace samovar::fuzz
