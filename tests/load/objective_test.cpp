#include <stdexcept>
#include <string>

#include "tests/support/catch.hpp"
#include "tools/load/objective.hpp"

using namespace samovar::load;
using namespace std::chrono_literals;

namespace {

// 1,000 calls of 1 ms to 1,000 ms, and so many that failed.
Tally tally_with(std::uint64_t failed) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.record(std::chrono::milliseconds(i));
  Tally tally;
  tally.ok = tally.ok_in_window = 1000;
  tally.failed = failed;
  tally.window_s = 2;
  tally.latency = histogram.take();
  return tally;
}

bool holds(const std::string& text, std::uint64_t failed = 0) {
  return all_hold(parse_objectives("--assert", text), tally_with(failed));
}

}  // namespace

TEST_CASE("latencies, errors and the throughput can be asserted") {
  CHECK(holds("p99<1s"));
  CHECK_FALSE(holds("p99<980ms"));
  CHECK(holds("p99.9 <= 1000ms, p999<=1s"));
  CHECK(holds("p50>=499ms"));
  CHECK_FALSE(holds("max<1s"));
  CHECK(holds("mean<501ms"));
  CHECK(holds("rps>499,rps<=500"));
  CHECK(holds("errors<=0"));
  CHECK_FALSE(holds("errors<1", 1));
  CHECK(holds("errors<0.1%", 1));
  CHECK_FALSE(holds("errors<0.1%", 2));
}

TEST_CASE("one objective that is not held is enough to fail") {
  CHECK_FALSE(holds("p99<1s,p50<1ms"));
}

TEST_CASE("without a success no latency is held") {
  CHECK_FALSE(all_hold(parse_objectives("--assert", "p99<1s"), Tally{}));
}

TEST_CASE("an objective that makes no sense is refused, with a sentence that names it") {
  for (const char* text : {"", "p99", "p99<", "p99<5", "p99=5ms", "latency<5ms", "errors<many", "p0<5ms",
                           "p101<1s", "rps>-1", "p99<5ms,,"}) {
    CAPTURE(text);
    try {
      parse_objectives("--assert", text);
      FAIL("accepted");
    } catch (const std::invalid_argument& error) {
      CHECK(std::string(error.what()).starts_with("--assert"));
    }
  }
}
