#include "proto/printable.hpp"

#include "tests/support/catch.hpp"

using samovar::proto::printable;

TEST_CASE("Control characters are written out, everything else stays") {
  CHECK(printable("") == "");
  CHECK(printable("worker-1 of 'ipgeo'") == "worker-1 of 'ipgeo'");
  CHECK(printable("Čaj, 茶, 🫖") == "Čaj, 茶, 🫖");
  CHECK(printable("a\nb\tc\r") == "a\\nb\\tc\\x0d");
  CHECK(printable("\x1b[31mred") == "\\x1b[31mred");
  CHECK(printable(std::string("\0\x7f", 2)) == "\\x00\\x7f");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");
  CHECK(printable("\xc2") == "\xc2");
  CHECK(printable("\xff\xfe") == "\xff\xfe");
}
