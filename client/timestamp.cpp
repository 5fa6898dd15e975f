#include <limits>
#include <samovar/timestamp.hpp>

#include "client/timestamp.hpp"

namespace samovar::detail {
namespace {

std::uint64_t load(const char* data, int bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < bytes; ++i) number = number << 8 | static_cast<std::uint8_t>(data[i]);
  return number;
}

void store(char* data, std::uint64_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i, number >>= 8) data[i] = static_cast<char>(number & 0xff);
}

}  // namespace

bool read_timestamp(const msgpack::object& object, Timestamp& time) {
  if (object.type != msgpack::type::EXT || object.via.ext.type() != -1) return false;
  const char* data = object.via.ext.data();
  switch (object.via.ext.size) {
    case 4: time = {static_cast<std::int64_t>(load(data, 4)), 0}; break;
    case 8: {
      const auto both = load(data, 8);
      time = {static_cast<std::int64_t>(both & 0x3'ffff'ffff), static_cast<std::uint32_t>(both >> 34)};
      break;
    }
    case 12:
      time = {static_cast<std::int64_t>(load(data + 4, 8)), static_cast<std::uint32_t>(load(data, 4))};
      break;
    default: return false;
  }
  // Nanoseconds beyond a second count on.
  const std::int64_t more = time.nanoseconds / 1'000'000'000;
  if (time.seconds > std::numeric_limits<std::int64_t>::max() - more) return false;
  time.seconds += more;
  time.nanoseconds %= 1'000'000'000;
  return true;
}

std::chrono::system_clock::time_point to_time_point(const msgpack::object& object) {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  constexpr std::int64_t kMost = std::chrono::duration_cast<seconds>(nanoseconds::max()).count() - 1;
  Timestamp time;
  if (!read_timestamp(object, time) || time.seconds > kMost || time.seconds < -kMost)
    throw msgpack::type_error();
  return std::chrono::system_clock::time_point(seconds(time.seconds) + nanoseconds(time.nanoseconds));
}

TimestampBytes to_timestamp(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto since_epoch = time.time_since_epoch();
  const auto whole = floor<seconds>(since_epoch);
  const auto seconds_since = static_cast<std::uint64_t>(whole.count());
  const auto rest = static_cast<std::uint64_t>(duration_cast<nanoseconds>(since_epoch - whole).count());
  TimestampBytes bytes{};
  if (seconds_since >> 34 == 0) {
    if (rest == 0 && seconds_since >> 32 == 0) {
      bytes.size = 4;
      store(bytes.data, seconds_since, 4);
    } else {
      bytes.size = 8;
      store(bytes.data, rest << 34 | seconds_since, 8);
    }
  } else {
    bytes.size = 12;
    store(bytes.data, rest, 4);
    store(bytes.data + 4, seconds_since, 8);
  }
  return bytes;
}

}  // namespace samovar::detail
