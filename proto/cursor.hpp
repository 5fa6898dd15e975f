// A forward-only reader over msgpack bytes, for the broker's hot path: it finds where things end and reads
// the few scalars of a prefix. It never allocates, never reads past the end, and never recurses.
#pragma once

#include <cstdint>
#include <string_view>

namespace samovar::proto {

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Each reads one value and steps over it. False, and no step, when the value is of another type or is cut off.
  bool read_array(std::uint32_t& size) { return read_container(0x90, 0xdc, size); }
  bool read_map(std::uint32_t& size) { return read_container(0x80, 0xde, size); }
  bool read_str(std::string_view& text);
  bool read_bin(std::string_view& bytes);
  // Any non-negative integer.
  bool read_uint(std::uint64_t& number) {
    if (at_ == end_ || byte() > 0x7f) return read_long_uint(number);
    number = byte();
    at_ += 1;
    return true;
  }
  bool read_nil() {
    if (!at_nil()) return false;
    at_ += 1;
    return true;
  }

  // Steps over one whole value, `depth` levels of arrays and maps deep at most. `value` becomes its bytes.
  // False when it is cut off, too deep, or no msgpack (0xc1).
  bool skip(int depth, std::string_view& value) {
    if (at_ != end_) {
      // Most values by far: small numbers, nil, short text.
      const std::size_t size = byte() <= 0x7f || byte() == 0xc0 ? 1
                               : (byte() & 0xe0) == 0xa0        ? 1u + (byte() & 0x1f)
                                                                : 0;
      if (size != 0 && size <= left()) {
        value = {at_, size};
        at_ += size;
        return true;
      }
    }
    return skip_any(depth, value);
  }

  bool at_array() const {
    return at_ != end_ && ((byte() & 0xf0) == 0x90 || byte() == 0xdc || byte() == 0xdd);
  }
  bool at_map() const { return at_ != end_ && ((byte() & 0xf0) == 0x80 || byte() == 0xde || byte() == 0xdf); }
  bool at_nil() const { return at_ != end_ && byte() == 0xc0; }
  bool at_end() const { return at_ == end_; }
  const char* position() const { return at_; }

 private:
  std::uint8_t byte() const { return static_cast<std::uint8_t>(*at_); }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  // `width` is 1, 2, 4 or 8.
  bool read_big_endian(std::size_t header, std::size_t width, std::uint64_t& number) const;
  bool skip_any(int depth, std::string_view& value);
  bool read_container(std::uint8_t fix, std::uint8_t wide, std::uint32_t& size);
  // `size`: of the value, behind a header of so many bytes.
  bool read_bytes(std::size_t header, std::uint64_t size, std::string_view& bytes);
  bool read_long_uint(std::uint64_t& number);

  const char* at_;
  const char* end_;
};

}  // namespace samovar::proto
