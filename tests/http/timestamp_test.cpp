#include "http/timestamp.hpp"

#include "tests/support/catch.hpp"

using samovar::http::read_timestamp;

namespace {

// In hexadecimal, as msgpack has it; "-" when it is none.
std::string packed(const std::string& text) {
  const auto found = read_timestamp(text);
  if (!found) return "-";
  std::string hex;
  for (const unsigned char byte : samovar::tools::to_msgpack(*found)) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace

TEST_CASE("Points in time become timestamps of msgpack") {
  CHECK(packed("1970-01-01T00:00:00Z") == "c70cff000000000000000000000000");
  CHECK(packed("2023-11-14T22:13:20.5Z") == "c70cff1dcd6500000000006553f100");
  CHECK(packed("2023-11-14T23:13:20.5+01:00") == packed("2023-11-14T22:13:20.500Z"));
  CHECK(packed("2023-11-14t16:43:20-05:30") == packed("2023-11-14T22:13:20Z"));
  CHECK(packed("1969-12-31T23:59:59Z") == "c70cff00000000ffffffffffffffff");
}

TEST_CASE("What is no point in time is none") {
  for (const char* text : {"", "now", "2023-11-14", "2023-11-14T22:13:20", "2023-02-30T00:00:00Z",
                           "2023-11-14T24:13:20Z", "2023-11-14T22:13:20Zz", "2023-11-14T22:13:20+1"}) {
    INFO(text);
    CHECK(packed(text) == "-");
  }
}
