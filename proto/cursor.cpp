#include "proto/cursor.hpp"

#include <array>

#include "proto/limits.hpp"

namespace samovar::proto {

bool Cursor::read_big_endian(std::size_t header, std::size_t width, std::uint64_t& number) const {
  if (left() < header + width) return false;
  number = 0;
  for (std::size_t i = 0; i < width; ++i) {
    number = number << 8 | static_cast<std::uint8_t>(at_[header + i]);
  }
  return true;
}

bool Cursor::read_array(std::uint32_t& size) {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  std::uint64_t n = 0;
  if ((b & 0xf0) == 0x90) {
    size = b & 0x0f;
    at_ += 1;
    return true;
  }
  if (b != 0xdc && b != 0xdd) return false;
  const std::size_t width = b == 0xdc ? 2 : 4;
  if (!read_big_endian(1, width, n)) return false;
  size = static_cast<std::uint32_t>(n);
  at_ += 1 + width;
  return true;
}

bool Cursor::read_map(std::uint32_t& size) {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  std::uint64_t n = 0;
  if ((b & 0xf0) == 0x80) {
    size = b & 0x0f;
    at_ += 1;
    return true;
  }
  if (b != 0xde && b != 0xdf) return false;
  const std::size_t width = b == 0xde ? 2 : 4;
  if (!read_big_endian(1, width, n)) return false;
  size = static_cast<std::uint32_t>(n);
  at_ += 1 + width;
  return true;
}

bool Cursor::read_str(std::string_view& text) {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  std::uint64_t n = 0;
  std::size_t header = 1;
  if ((b & 0xe0) == 0xa0) {
    n = b & 0x1f;
  } else if (b >= 0xd9 && b <= 0xdb) {
    const std::size_t width = std::size_t{1} << (b - 0xd9);
    if (!read_big_endian(1, width, n)) return false;
    header += width;
  } else {
    return false;
  }
  if (left() - header < n) return false;
  text = {at_ + header, static_cast<std::size_t>(n)};
  at_ += header + n;
  return true;
}

bool Cursor::read_uint(std::uint64_t& number) {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  if (b <= 0x7f) {
    number = b;
    at_ += 1;
    return true;
  }
  if (b < 0xcc || b > 0xd3) return false;
  const bool is_signed = b >= 0xd0;
  const std::size_t width = std::size_t{1} << (is_signed ? b - 0xd0 : b - 0xcc);
  std::uint64_t n = 0;
  if (!read_big_endian(1, width, n)) return false;
  if (is_signed && (n >> (8 * width - 1)) != 0) return false;
  number = n;
  at_ += 1 + width;
  return true;
}

bool Cursor::read_nil() {
  if (!at_nil()) return false;
  at_ += 1;
  return true;
}

bool Cursor::at_array() const {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  return (b & 0xf0) == 0x90 || b == 0xdc || b == 0xdd;
}

bool Cursor::at_map() const {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  return (b & 0xf0) == 0x80 || b == 0xde || b == 0xdf;
}

bool Cursor::measure(std::uint64_t& bytes, std::uint64_t& children) const {
  children = 0;
  const std::uint8_t b = byte();
  std::uint64_t n = 0;
  if (b <= 0x7f || b >= 0xe0 || b == 0xc0 || b == 0xc2 || b == 0xc3) {
    bytes = 1;
    return true;
  }
  if (b <= 0x8f) {  // fixmap
    bytes = 1;
    children = std::uint64_t{2} * (b & 0x0f);
    return true;
  }
  if (b <= 0x9f) {  // fixarray
    bytes = 1;
    children = b & 0x0f;
    return true;
  }
  if (b <= 0xbf) {  // fixstr
    bytes = 1u + (b & 0x1f);
    return true;
  }
  // A length of `width` bytes, then that many bytes (and for ext one more, its type) or children.
  const auto sized = [&](std::size_t width, std::uint64_t extra) {
    if (!read_big_endian(1, width, n)) return false;
    bytes = 1 + width + extra + n;
    return true;
  };
  const auto counted = [&](std::size_t width, std::uint64_t per_entry) {
    if (!read_big_endian(1, width, n)) return false;
    bytes = 1 + width;
    children = per_entry * n;
    return true;
  };
  const auto fixed = [&](std::uint64_t width) {
    bytes = 1 + width;
    return true;
  };
  switch (b) {
    case 0xc4:
    case 0xd9: return sized(1, 0);
    case 0xc5:
    case 0xda: return sized(2, 0);
    case 0xc6:
    case 0xdb: return sized(4, 0);
    case 0xc7: return sized(1, 1);
    case 0xc8: return sized(2, 1);
    case 0xc9: return sized(4, 1);
    case 0xca: return fixed(4);
    case 0xcb: return fixed(8);
    case 0xcc:
    case 0xd0: return fixed(1);
    case 0xcd:
    case 0xd1: return fixed(2);
    case 0xce:
    case 0xd2: return fixed(4);
    case 0xcf:
    case 0xd3: return fixed(8);
    case 0xd4: return fixed(2);
    case 0xd5: return fixed(3);
    case 0xd6: return fixed(5);
    case 0xd7: return fixed(9);
    case 0xd8: return fixed(17);
    case 0xdc: return counted(2, 1);
    case 0xdd: return counted(4, 1);
    case 0xde: return counted(2, 2);
    case 0xdf: return counted(4, 2);
    default: return false;  // 0xc1 is never used
  }
}

bool Cursor::skip(int depth, std::string_view& value) {
  // What is still to come on each level that was entered, innermost last.
  std::array<std::uint64_t, limits::kMaxDepth + 1> pending;
  if (depth > limits::kMaxDepth) depth = limits::kMaxDepth;
  int level = 0;
  pending[0] = 1;
  const char* const start = at_;
  while (level >= 0) {
    auto& left_here = pending[static_cast<std::size_t>(level)];
    if (left_here == 0) {
      --level;
      continue;
    }
    --left_here;
    const bool container = at_array() || at_map();
    std::uint64_t bytes = 0;
    std::uint64_t children = 0;
    // Each child takes a byte at least: a claim of more children than bytes is refused before it is followed.
    if (at_ == end_ || !measure(bytes, children) || bytes > left() || children > left() - bytes ||
        (container && level + 1 > depth)) {
      at_ = start;
      return false;
    }
    at_ += bytes;
    if (container) pending[static_cast<std::size_t>(++level)] = children;
  }
  value = {start, static_cast<std::size_t>(at_ - start)};
  return true;
}

}  // namespace samovar::proto
