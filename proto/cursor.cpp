#include "proto/cursor.hpp"

#include <array>
#include <cstring>

#include "proto/endian.hpp"
#include "proto/limits.hpp"

namespace samovar::proto {
namespace {

// What a value's first byte tells about it.
struct Shape {
  std::uint8_t bytes = 0;  // of the value without its children and without what `width` adds; 0: no msgpack
  std::uint8_t width = 0;  // bytes behind the first one that hold a length or a count
  std::uint8_t children = 0;  // how many follow, or follow for each that is counted
  bool container = false;
};

constexpr std::array<Shape, 256> make_shapes() {
  std::array<Shape, 256> shapes{};
  const auto set = [&](int from, int to, Shape shape) {
    for (int b = from; b <= to; ++b) shapes[static_cast<std::size_t>(b)] = shape;
  };
  set(0x00, 0x7f, {1});  // positive fixint
  for (int n = 0; n <= 15; ++n) {
    const auto count = static_cast<std::uint8_t>(n);
    set(0x80 + n, 0x80 + n, {1, 0, static_cast<std::uint8_t>(2 * count), true});  // fixmap
    set(0x90 + n, 0x90 + n, {1, 0, count, true});                                 // fixarray
  }
  for (int n = 0; n <= 31; ++n) set(0xa0 + n, 0xa0 + n, {static_cast<std::uint8_t>(1 + n)});  // fixstr
  set(0xc0, 0xc0, {1});                                                                       // nil
  set(0xc2, 0xc3, {1});                                                                       // false, true
  for (int n = 0; n < 3; ++n) {
    const auto width = static_cast<std::uint8_t>(1 << n);
    set(0xc4 + n, 0xc4 + n, {static_cast<std::uint8_t>(1 + width), width});  // bin
    set(0xc7 + n, 0xc7 + n, {static_cast<std::uint8_t>(2 + width), width});  // ext
    set(0xd9 + n, 0xd9 + n, {static_cast<std::uint8_t>(1 + width), width});  // str
  }
  set(0xca, 0xca, {5});  // float
  set(0xcb, 0xcb, {9});
  for (int n = 0; n < 4; ++n) {
    const auto size = static_cast<std::uint8_t>(1 + (1 << n));
    set(0xcc + n, 0xcc + n, {size});  // uint
    set(0xd0 + n, 0xd0 + n, {size});  // int
  }
  for (int n = 0; n < 5; ++n) set(0xd4 + n, 0xd4 + n, {static_cast<std::uint8_t>(2 + (1 << n))});  // fixext
  set(0xdc, 0xdc, {3, 2, 1, true});                                                                // array
  set(0xdd, 0xdd, {5, 4, 1, true});
  set(0xde, 0xde, {3, 2, 2, true});  // map
  set(0xdf, 0xdf, {5, 4, 2, true});
  set(0xe0, 0xff, {1});  // negative fixint
  return shapes;
}

constexpr std::array<Shape, 256> kShapes = make_shapes();

template <typename Number>
Number load(const char* at) {
  Number number;
  std::memcpy(&number, at, sizeof number);
  return from_big_endian(number);
}

}  // namespace

bool Cursor::read_big_endian(std::size_t header, std::size_t width, std::uint64_t& number) const {
  if (left() < header + width) return false;
  number = 0;
  switch (width) {
    case 1: number = static_cast<std::uint8_t>(at_[header]); break;
    case 2: number = load<std::uint16_t>(at_ + header); break;
    case 4: number = load<std::uint32_t>(at_ + header); break;
    default: number = load<std::uint64_t>(at_ + header);
  }
  return true;
}

bool Cursor::read_container(std::uint8_t fix, std::uint8_t wide, std::uint32_t& size) {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  if ((b & 0xf0) == fix) {
    size = b & 0x0f;
    at_ += 1;
    return true;
  }
  if (b != wide && b != wide + 1) return false;
  const std::size_t width = b == wide ? 2 : 4;
  std::uint64_t n = 0;
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
  return read_bytes(header, n, text);
}

bool Cursor::read_bin(std::string_view& bytes) {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
  if (b < 0xc4 || b > 0xc6) return false;
  const std::size_t width = std::size_t{1} << (b - 0xc4);
  std::uint64_t n = 0;
  return read_big_endian(1, width, n) && read_bytes(1 + width, n, bytes);
}

bool Cursor::read_bytes(std::size_t header, std::uint64_t size, std::string_view& bytes) {
  if (left() - header < size) return false;
  bytes = {at_ + header, static_cast<std::size_t>(size)};
  at_ += header + size;
  return true;
}

bool Cursor::read_long_uint(std::uint64_t& number) {
  if (at_ == end_) return false;
  const std::uint8_t b = byte();
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

bool Cursor::skip_any(int depth, std::string_view& value) {
  // What is still to come on each level that was entered, innermost last.
  std::array<std::uint64_t, limits::kMaxDepth + 1> pending;
  if (depth > limits::kMaxDepth) depth = limits::kMaxDepth;
  const char* const start = at_;
  int level = 0;
  std::uint64_t to_come = 1;  // on the innermost level
  for (;;) {
    if (at_ == end_) break;
    const Shape shape = kShapes[byte()];
    std::uint64_t bytes = shape.bytes;
    std::uint64_t children = shape.children;
    if (shape.width != 0) {
      std::uint64_t n = 0;
      if (!read_big_endian(1, shape.width, n)) break;
      if (shape.container) {
        children *= n;
      } else {
        bytes += n;
      }
    }
    // Each child takes a byte at least: a claim of more children than bytes is refused before it is followed.
    if (bytes == 0 || bytes > left() || children > left() - bytes) break;
    at_ += bytes;
    --to_come;
    if (shape.container) {
      if (level + 1 > depth) break;
      pending[static_cast<std::size_t>(level++)] = to_come;
      to_come = children;
    }
    while (to_come == 0) {
      if (level == 0) {
        value = {start, static_cast<std::size_t>(at_ - start)};
        return true;
      }
      to_come = pending[static_cast<std::size_t>(--level)];
    }
  }
  at_ = start;
  return false;
}

}  // namespace samovar::proto
