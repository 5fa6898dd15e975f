#include "client/json.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "client/timestamp.hpp"

namespace samovar::detail {
namespace {

template <typename Number>
void append_number(std::string& out, Number number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  out.append(text, end);
}

// A number that reads as one with a fraction, as it would in Python.
template <typename Real>
void append_real(std::string& out, Real number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const auto start = out.size();
  append_number(out, number);
  if (out.find_first_of(".e", start) == std::string::npos) out += ".0";
}

// Bytes of the UTF-8 character at the start of `text`; 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  std::size_t length = 0;
  std::uint32_t code = 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) length = 2, code = lead & 0x1fu;
  if (lead >= 0xe0 && lead <= 0xef) length = 3, code = lead & 0x0fu;
  if (lead >= 0xf0 && lead <= 0xf4) length = 4, code = lead & 0x07u;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  const bool too_long = (length == 3 && code < 0x800) || (length == 4 && code < 0x1'0000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return too_long || surrogate || code > 0x10'ffff ? 0 : length;
}

void append_text(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto length = utf8_length(text);
    const char c = text[0];
    if (length == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
    } else if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<std::uint8_t>(c) < 0x20) {
      ((out += "\\u00") += kHex[c >> 4]) += kHex[c & 0xf];
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out += '"';
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto left = bytes.size() - i;
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      three = three << 8 | (j < left ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
    }
    out += kDigits[three >> 18];
    out += kDigits[three >> 12 & 63];
    out += left > 1 ? kDigits[three >> 6 & 63] : '=';
    out += left > 2 ? kDigits[three & 63] : '=';
  }
  out += '"';
}

// "2026-11-24T19:38:42.5Z"
void append_time(std::string& out, const Timestamp& time) {
  using namespace std::chrono;
  const sys_seconds when{seconds(time.seconds)};
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss clock(when - day);
  char text[64];
  const int size =
      std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%09u", int(date.year()),
                    unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
                    int(clock.minutes().count()), int(clock.seconds().count()), time.nanoseconds);
  std::string_view shown(text, static_cast<std::size_t>(size));
  while (shown.back() == '0') shown.remove_suffix(1);
  if (shown.back() == '.') shown.remove_suffix(1);
  ((out += '"') += shown) += "Z\"";
}

void append_extension(std::string& out, const msgpack::object& object) {
  // Beyond these seconds the calendar of <chrono> ends.
  constexpr std::int64_t kLastYear = 900'000'000'000;
  Timestamp time;
  if (read_timestamp(object, time) && time.seconds < kLastYear && time.seconds > -kLastYear) {
    out += "{\"$timestamp\": ";
    append_time(out, time);
    out += '}';
    return;
  }
  out += "{\"$ext\": [";
  append_number(out, int{object.via.ext.type()});
  out += ", ";
  append_base64(out, {object.via.ext.data(), object.via.ext.size});
  out += "]}";
}

void append_key(std::string& out, const msgpack::object& key) {
  if (key.type == msgpack::type::STR) return append_json(out, key);
  std::string text;
  append_json(text, key);
  append_text(out, text);
}

}  // namespace

void append_json(std::string& out, const msgpack::object& object) {
  switch (object.type) {
    case msgpack::type::NIL: out += "null"; break;
    case msgpack::type::BOOLEAN: out += object.via.boolean ? "true" : "false"; break;
    case msgpack::type::POSITIVE_INTEGER: append_number(out, object.via.u64); break;
    case msgpack::type::NEGATIVE_INTEGER: append_number(out, object.via.i64); break;
    case msgpack::type::FLOAT32: append_real(out, static_cast<float>(object.via.f64)); break;
    case msgpack::type::FLOAT64: append_real(out, object.via.f64); break;
    case msgpack::type::STR: append_text(out, {object.via.str.ptr, object.via.str.size}); break;
    case msgpack::type::BIN:
      out += "{\"$bytes\": ";
      append_base64(out, {object.via.bin.ptr, object.via.bin.size});
      out += '}';
      break;
    case msgpack::type::ARRAY: {
      out += '[';
      bool first = true;
      for (const auto& element : std::span(object.via.array.ptr, object.via.array.size)) {
        if (!std::exchange(first, false)) out += ", ";
        append_json(out, element);
      }
      out += ']';
      break;
    }
    case msgpack::type::MAP: {
      out += '{';
      bool first = true;
      for (const auto& entry : std::span(object.via.map.ptr, object.via.map.size)) {
        if (!std::exchange(first, false)) out += ", ";
        append_key(out, entry.key);
        out += ": ";
        append_json(out, entry.val);
      }
      out += '}';
      break;
    }
    case msgpack::type::EXT: append_extension(out, object); break;
  }
}

}  // namespace samovar::detail
