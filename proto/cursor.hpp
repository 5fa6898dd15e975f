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
  bool read_array(std::uint32_t& size);
  bool read_map(std::uint32_t& size);
  bool read_str(std::string_view& text);
  bool read_uint(std::uint64_t& number);  // any non-negative integer
  bool read_nil();

  // Steps over one whole value, `depth` levels of arrays and maps deep at most. `value` becomes its bytes.
  // False when it is cut off, too deep, or no msgpack (0xc1).
  bool skip(int depth, std::string_view& value);

  bool at_array() const;
  bool at_map() const;
  bool at_nil() const { return at_ != end_ && byte() == 0xc0; }
  bool at_end() const { return at_ == end_; }
  const char* position() const { return at_; }

 private:
  std::uint8_t byte() const { return static_cast<std::uint8_t>(*at_); }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  bool read_big_endian(std::size_t header, std::size_t width, std::uint64_t& number) const;
  // Header of the value at the cursor: its own bytes without children, and how many children follow.
  bool measure(std::uint64_t& bytes, std::uint64_t& children) const;

  const char* at_;
  const char* end_;
};

}  // namespace samovar::proto
