#include "client/unpack.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "proto/endian.hpp"
#include "proto/limits.hpp"

namespace samovar::detail {
namespace {

using msgpack::object;
using msgpack::object_kv;
namespace type = msgpack::type;

// A map's entries are written as twice as many objects.
static_assert(sizeof(object_kv) == 2 * sizeof(object) && offsetof(object_kv, val) == sizeof(object));

// Of the values that have all they need to know about their length in their first byte: that length, or 0.
constexpr auto kLengths = [] {
  std::array<std::uint8_t, 256> lengths{};
  for (int head = 0; head < 256; ++head) {
    if (head <= 0x9f || head >= 0xe0) lengths[head] = 1;
    if (head >= 0xa0 && head <= 0xbf) lengths[head] = static_cast<std::uint8_t>(1 + (head & 0x1f));
  }
  for (const int head : {0xc0, 0xc2, 0xc3}) lengths[head] = 1;
  for (const int head : {0xcc, 0xd0}) lengths[head] = 2;
  for (const int head : {0xcd, 0xd1, 0xd4}) lengths[head] = 3;
  for (const int head : {0xca, 0xce, 0xd2}) lengths[head] = 5;
  for (const int head : {0xcb, 0xcf, 0xd3}) lengths[head] = 9;
  return lengths;
}();

class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  const char* position() const { return at_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  // Reads one value without the values inside it, of which there are `children`. False when it is cut off or no
  // msgpack. Inline, since it is all that there is to do for most values.
  [[gnu::always_inline]] bool read(object& out, std::size_t& children) {
    children = 0;
    if (at_ == end_) return false;
    const auto head = static_cast<std::uint8_t>(*at_++);
    if (head >= 0xa0 && head <= 0xbf) return text(out, head & 0x1f);
    if (head <= 0x7f) return unsigned_integer(out, head);
    if (head <= 0x8f) return map(out, head & 0x0f, children);
    if (head <= 0x9f) return array(out, head & 0x0f, children);
    if (head >= 0xe0) return signed_integer(out, static_cast<std::int8_t>(head));
    std::uint8_t n8 = 0;
    std::uint16_t n16 = 0;
    std::uint32_t n32 = 0;
    std::uint64_t n64 = 0;
    switch (head) {
      case 0xc0: out.type = type::NIL; return true;
      case 0xc2:
      case 0xc3:
        out.type = type::BOOLEAN;
        out.via.boolean = head == 0xc3;
        return true;
      case 0xc4: return number(n8) && bytes(out, n8);
      case 0xc5: return number(n16) && bytes(out, n16);
      case 0xc6: return number(n32) && bytes(out, n32);
      case 0xc7: return number(n8) && extension(out, n8);
      case 0xc8: return number(n16) && extension(out, n16);
      case 0xc9: return number(n32) && extension(out, n32);
      case 0xca: return number(n32) && real(out, type::FLOAT32, std::bit_cast<float>(n32));
      case 0xcb: return number(n64) && real(out, type::FLOAT64, std::bit_cast<double>(n64));
      case 0xcc: return number(n8) && unsigned_integer(out, n8);
      case 0xcd: return number(n16) && unsigned_integer(out, n16);
      case 0xce: return number(n32) && unsigned_integer(out, n32);
      case 0xcf: return number(n64) && unsigned_integer(out, n64);
      case 0xd0: return number(n8) && signed_integer(out, static_cast<std::int8_t>(n8));
      case 0xd1: return number(n16) && signed_integer(out, static_cast<std::int16_t>(n16));
      case 0xd2: return number(n32) && signed_integer(out, static_cast<std::int32_t>(n32));
      case 0xd3: return number(n64) && signed_integer(out, static_cast<std::int64_t>(n64));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8: return extension(out, 1u << (head - 0xd4));
      case 0xd9: return number(n8) && text(out, n8);
      case 0xda: return number(n16) && text(out, n16);
      case 0xdb: return number(n32) && text(out, n32);
      case 0xdc: return number(n16) && array(out, n16, children);
      case 0xdd: return number(n32) && array(out, n32, children);
      case 0xde: return number(n16) && map(out, n16, children);
      case 0xdf: return number(n32) && map(out, n32, children);
      default: return false;  // 0xc1
    }
  }

 private:
  // Big-endian on the wire.
  template <typename Number>
  bool number(Number& n) {
    if (left() < sizeof n) return false;
    std::memcpy(&n, at_, sizeof n);
    at_ += sizeof n;
    n = proto::from_big_endian(n);
    return true;
  }
  static bool real(object& out, type::object_type kind, double n) {
    out.type = kind;
    out.via.f64 = n;
    return true;
  }
  static bool unsigned_integer(object& out, std::uint64_t n) {
    out.type = type::POSITIVE_INTEGER;
    out.via.u64 = n;
    return true;
  }
  static bool signed_integer(object& out, std::int64_t n) {
    out.type = n < 0 ? type::NEGATIVE_INTEGER : type::POSITIVE_INTEGER;
    out.via.i64 = n;
    return true;
  }
  bool text(object& out, std::uint64_t size) {
    if (left() < size) return false;
    out.type = type::STR;
    out.via.str = {static_cast<std::uint32_t>(size), at_};
    at_ += size;
    return true;
  }
  bool bytes(object& out, std::uint64_t size) {
    if (left() < size) return false;
    out.type = type::BIN;
    out.via.bin = {static_cast<std::uint32_t>(size), at_};
    at_ += size;
    return true;
  }
  // The byte of its type precedes its data.
  bool extension(object& out, std::uint64_t size) {
    if (left() < size + 1) return false;
    out.type = type::EXT;
    out.via.ext = {static_cast<std::uint32_t>(size), at_};
    at_ += size + 1;
    return true;
  }
  static bool array(object& out, std::uint64_t size, std::size_t& children) {
    out.type = type::ARRAY;
    out.via.array = {static_cast<std::uint32_t>(size), nullptr};
    children = size;
    return true;
  }
  static bool map(object& out, std::uint64_t size, std::size_t& children) {
    out.type = type::MAP;
    out.via.map = {static_cast<std::uint32_t>(size), nullptr};
    children = 2 * size;
    return true;
  }

  const char* at_;
  const char* end_;
};

}  // namespace

std::size_t count_objects(std::string_view bytes, std::size_t& size) {
  std::string_view rest = bytes;
  std::size_t objects = 0;
  for (std::size_t missing = 1; missing > 0; --missing, ++objects) {
    if (rest.empty()) return 0;
    const auto head = static_cast<std::uint8_t>(rest.front());
    if (const std::size_t length = kLengths[head]; length > 0) {
      if (rest.size() < length) return 0;
      rest.remove_prefix(length);
      if ((head & 0xe0) != 0x80) continue;
      missing += (head & 0xf0) == 0x80 ? 2 * (head & 0x0f) : head & 0x0f;
    } else {
      Reader reader(rest);
      object ignored;
      std::size_t children = 0;
      if (!reader.read(ignored, children)) return 0;
      rest.remove_prefix(static_cast<std::size_t>(reader.position() - rest.data()));
      missing += children;
    }
    if (missing - 1 > rest.size()) return 0;  // each has one byte at least
  }
  size = bytes.size() - rest.size();
  return objects;
}

const object* build_objects(std::string_view bytes, ObjectRoom* room) {
  // An array or map whose elements are being read, and the root by itself.
  struct Open {
    ObjectRoom* next;
    std::size_t missing;
  };
  Open open[limits::kMaxDepth + 1];
  Open* innermost = open;
  *innermost = {room, 1};
  ObjectRoom* unused = room + 1;
  Reader reader(bytes);
  for (;;) {
    while (innermost->missing == 0) {
      if (innermost == open) return reinterpret_cast<const object*>(room);
      --innermost;
    }
    auto& out = *new (innermost->next++) object;
    --innermost->missing;
    std::size_t children = 0;
    reader.read(out, children);
    if (children == 0) continue;
    if (innermost == open + limits::kMaxDepth) return nullptr;
    if (out.type == type::ARRAY) {
      out.via.array.ptr = reinterpret_cast<object*>(unused);
    } else {
      out.via.map.ptr = reinterpret_cast<object_kv*>(unused);
    }
    *++innermost = {unused, children};
    unused += children;
  }
}

}  // namespace samovar::detail
