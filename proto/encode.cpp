#include "proto/codec.hpp"

#include <array>
#include <cstring>

#include "proto/endian.hpp"

namespace samovar::proto {
namespace {

// Write behind `at`, and return the new end. Nine bytes suffice for a number, five for the head of a str.
template <typename Number>
char* put(char* at, char type, std::uint64_t value) {
  const auto number = to_big_endian(static_cast<Number>(value));
  *at = type;
  std::memcpy(at + 1, &number, sizeof number);
  return at + 1 + sizeof number;
}

char* put_byte(char* at, std::uint64_t value) {
  *at = static_cast<char>(value);
  return at + 1;
}

char* put_uint(char* at, std::uint64_t number) {
  if (number <= 0x7f) return put_byte(at, number);
  if (number <= 0xff) return put<std::uint8_t>(at, '\xcc', number);
  if (number <= 0xffff) return put<std::uint16_t>(at, '\xcd', number);
  if (number <= 0xffff'ffff) return put<std::uint32_t>(at, '\xce', number);
  return put<std::uint64_t>(at, '\xcf', number);
}

char* put_str_head(char* at, std::size_t size) {
  if (size <= 31) return put_byte(at, 0xa0 | size);
  if (size <= 0xff) return put<std::uint8_t>(at, '\xd9', size);
  if (size <= 0xffff) return put<std::uint16_t>(at, '\xda', size);
  return put<std::uint32_t>(at, '\xdb', size);
}

constexpr std::size_t kLongestUint = 9;
constexpr std::size_t kLongestStrHead = 5;

// The head of an array or a map.
void append_container(std::string& out, std::uint8_t fix, char wide, std::uint32_t size) {
  std::array<char, 5> bytes;
  char* end = bytes.data();
  if (size <= 15) {
    end = put_byte(end, fix | size);
  } else if (size <= 0xffff) {
    end = put<std::uint16_t>(end, wide, size);
  } else {
    end = put<std::uint32_t>(end, static_cast<char>(wide + 1), size);
  }
  out.append(bytes.data(), end);
}

void append_head(std::string& out, Kind kind, std::uint64_t epoch) {
  append_uint(out, kVersion);
  append_uint(out, static_cast<std::uint64_t>(kind));
  append_uint(out, epoch);
}

// An array header of fixed width, so that the count can be written when it is known.
constexpr std::size_t kWideArray = 5;

void patch_wide_array(std::string& out, std::uint32_t elements) {
  out[0] = '\xdd';
  for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(elements >> (24 - 8 * i) & 0xff);
}

}  // namespace

void append_uint(std::string& out, std::uint64_t number) {
  std::array<char, kLongestUint> bytes;
  out.append(bytes.data(), put_uint(bytes.data(), number));
}

void append_str(std::string& out, std::string_view text) {
  std::array<char, kLongestStrHead> bytes;
  out.append(bytes.data(), put_str_head(bytes.data(), text.size()));
  out.append(text);
}

void append_map(std::string& out, std::uint32_t entries) {
  append_container(out, 0x80, '\xde', entries);
}

void append_array(std::string& out, std::uint32_t elements) {
  append_container(out, 0x90, '\xdc', elements);
}

BundleWriter::BundleWriter(Kind kind, std::uint64_t epoch, std::uint64_t sent_us)
    : buffer_(kWideArray, '\0'),
      head_elements_(kind == Kind::request ? 4 : 3),
      elements_per_item_(kind == Kind::request ? kRequestElements
                         : kind == Kind::items ? kStreamElements
                                               : kReplyElements) {
  append_head(buffer_, kind, epoch);
  if (kind == Kind::request) append_uint(buffer_, sent_us);
}

void BundleWriter::add_request(std::uint64_t id, std::uint8_t attempt, std::uint32_t flags,
                               std::uint64_t timeout_us, std::string_view method, std::string_view tail) {
  std::array<char, 4 * kLongestUint + kLongestStrHead> prefix;
  char* end = put_uint(prefix.data(), id);
  end = put_uint(end, attempt);
  end = put_uint(end, flags);
  end = put_uint(end, timeout_us);
  end = put_str_head(end, method.size());
  buffer_.append(prefix.data(), end).append(method).append(tail);
  ++items_;
}

void BundleWriter::add_reply(std::uint64_t id, std::uint8_t attempt, Status status, std::uint64_t run_us,
                             std::string_view tail) {
  std::array<char, 4 * kLongestUint> prefix;
  char* end = put_uint(prefix.data(), id);
  end = put_uint(end, attempt);
  end = put_uint(end, static_cast<std::uint64_t>(status));
  end = put_uint(end, run_us);
  buffer_.append(prefix.data(), end).append(tail);
  ++items_;
}

void BundleWriter::add_item(std::uint64_t id, std::uint8_t attempt, std::uint64_t seq,
                            std::string_view tail) {
  std::array<char, 3 * kLongestUint> prefix;
  char* end = put_uint(prefix.data(), id);
  end = put_uint(end, attempt);
  end = put_uint(end, seq);
  buffer_.append(prefix.data(), end).append(tail);
  ++items_;
}

std::string BundleWriter::finish() && {
  patch_wide_array(buffer_, head_elements_ + items_ * elements_per_item_);
  return std::move(buffer_);
}

std::string encode_ids(Kind kind, std::uint64_t epoch, const std::vector<std::uint64_t>& ids) {
  std::string out(kWideArray, '\0');
  append_head(out, kind, epoch);
  for (const auto id : ids) append_uint(out, id);
  patch_wide_array(out, static_cast<std::uint32_t>(3 + ids.size()));
  return out;
}

std::string encode_windows(std::uint64_t epoch, const std::vector<Window>& windows) {
  std::string out(kWideArray, '\0');
  append_head(out, Kind::window, epoch);
  for (const auto& window : windows) {
    append_uint(out, window.id);
    append_uint(out, window.window);
  }
  patch_wide_array(out, static_cast<std::uint32_t>(3 + kWindowElements * windows.size()));
  return out;
}

std::string encode_bare(Kind kind, std::uint64_t epoch) {
  return encode_ids(kind, epoch, {});
}

}  // namespace samovar::proto
