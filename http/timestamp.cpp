#include "http/timestamp.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace samovar::http {
namespace {

// As in "Z", "+01:00"; empty when it is neither.
std::optional<std::chrono::minutes> offset_of(const char* text) {
  using namespace std::chrono;
  if (std::strcmp(text, "Z") == 0 || std::strcmp(text, "z") == 0) return minutes(0);
  char sign = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  int end = 0;
  const int read = std::sscanf(text, "%c%2u:%2u%n", &sign, &hour, &minute, &end);
  if (read != 3 || text[end] != 0 || (sign != '+' && sign != '-') || hour > 23 || minute > 59)
    return std::nullopt;
  const auto offset = hours(hour) + minutes(minute);
  return sign == '-' ? -offset : offset;
}

}  // namespace

std::optional<tools::Json> read_timestamp(const std::string& text) {
  using namespace std::chrono;
  int year_number = 0;
  unsigned month_number = 0;
  unsigned day_number = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  int end = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2u%*1[Tt ]%2u:%2u:%2u%n", &year_number, &month_number, &day_number,
                  &hour, &minute, &second, &end) != 6) {
    return std::nullopt;
  }
  const year_month_day date{year(year_number), month(month_number), day(day_number)};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const char* rest = text.c_str() + end;
  std::uint32_t nanoseconds = 0;
  if (*rest == '.') {
    std::uint32_t digit = 100'000'000;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, digit /= 10)
      nanoseconds += digit * static_cast<std::uint32_t>(*rest - '0');
  }
  const auto offset = offset_of(rest);
  if (!offset) return std::nullopt;
  const auto when = sys_days(date) + hours(hour) + minutes(minute) + seconds(second) - *offset;
  const auto since_1970 = static_cast<std::uint64_t>(duration_cast<seconds>(when.time_since_epoch()).count());
  std::vector<std::uint8_t> bytes;  // "timestamp 96" of msgpack, extension -1
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<std::uint8_t>(nanoseconds >> shift));
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<std::uint8_t>(since_1970 >> shift));
  return tools::Json::binary(std::move(bytes), 0xff);
}

}  // namespace samovar::http
