#include <algorithm>
#include <vector>

#include "tests/support/catch.hpp"
#include "tools/load/arrivals.hpp"
#include "tools/load/pacer.hpp"

using namespace samovar::load;
using namespace std::chrono_literals;

namespace {

std::vector<Nanoseconds> all(Arrivals arrivals) {
  std::vector<Nanoseconds> times;
  while (const auto time = arrivals.next()) times.push_back(*time);
  return times;
}

// Time that passes only by sleeping, and when somebody says so.
struct FakeTime {
  TimePoint at{1000s};
  TimePoint now() const { return at; }
  void sleep_until(TimePoint then) { at = std::max(at, then); }
};

}  // namespace

TEST_CASE("even arrivals are exactly even") {
  const auto times = all(Arrivals({1000, 1000}, 2s, Spacing::even, 1));
  REQUIRE(times.size() == 2000);
  for (std::size_t i = 0; i < times.size(); ++i) REQUIRE(times[i] == Nanoseconds(1ms) * i);
}

TEST_CASE("processes take turns to make one even row of calls") {
  std::vector<Nanoseconds> times;
  for (unsigned share = 0; share < 3; ++share) {
    const auto own = all(Arrivals({300, 300}, 1s, Spacing::even, 1, share, 3));
    times.insert(times.end(), own.begin(), own.end());
  }
  std::sort(times.begin(), times.end());
  CHECK(times == all(Arrivals({300, 300}, 1s, Spacing::even, 1)));
}

TEST_CASE("Poisson arrivals have the rate as their mean, and gaps that vary") {
  const auto times = all(Arrivals({1000, 1000}, 20s, Spacing::poisson, 42));
  CHECK(times.size() == Approx(20'000).epsilon(0.03));  // 4 standard deviations
  std::size_t short_gaps = 0;
  for (std::size_t i = 1; i < times.size(); ++i) short_gaps += times[i] - times[i - 1] < 1ms ? 1 : 0;
  CHECK(static_cast<double>(short_gaps) / static_cast<double>(times.size()) == Approx(0.632).epsilon(0.03));
  CHECK(std::is_sorted(times.begin(), times.end()));
}

TEST_CASE("the seed decides the Poisson arrivals, and each process has its own") {
  const auto arrivals = [](std::uint64_t seed, unsigned share) {
    return all(Arrivals({100, 100}, 1s, Spacing::poisson, seed, share, 2));
  };
  CHECK(arrivals(1, 0) == arrivals(1, 0));
  CHECK(arrivals(1, 0) != arrivals(2, 0));
  CHECK(arrivals(1, 0) != arrivals(1, 1));
}

TEST_CASE("a ramp makes as many calls as its mean rate, few at first and many at the end") {
  const auto times = all(Arrivals({0, 1000}, 2s, Spacing::even, 1));
  CHECK(times.size() == Approx(1000).margin(1));
  const auto half = std::count_if(times.begin(), times.end(), [](auto time) { return time < 1s; });
  CHECK(half == Approx(250).margin(2));
  const auto falling = all(Arrivals({1000, 500}, 2s, Spacing::even, 1));
  CHECK(falling.size() == Approx(1500).margin(1));
}

TEST_CASE("calls that could not start in time are started at once, and none is left out") {
  Arrivals arrivals({100, 100}, 1s, Spacing::even, 1);
  FakeTime time;
  const auto begin = time.at;
  std::vector<TimePoint> intended;
  const auto lateness = pace(
      arrivals, begin, time,
      [&](TimePoint at) {
        intended.push_back(at);
        if (intended.size() == 10) time.at += 500ms;  // the machine stalls
        return true;
      },
      [] { return false; });
  CHECK(intended.size() == 100);
  CHECK(intended.back() == begin + 990ms);
  CHECK(time.at == begin + 990ms);
  CHECK(lateness.max() == Approx(490e6));
}

TEST_CASE("a server that stalls is seen in the latency of all calls that were to start meanwhile") {
  Arrivals arrivals({1000, 1000}, 1s, Spacing::even, 1);
  FakeTime time;
  const auto begin = time.at;
  Recorder recorder(begin, begin + 1s);
  // Answers at once, except that nothing is answered from 0.2 s to 0.7 s.
  pace(
      arrivals, begin, time,
      [&](TimePoint at) {
        const auto answered = at >= begin + 200ms && at < begin + 700ms ? begin + 700ms : at;
        recorder.succeeded(at, answered);
        return true;
      },
      [] { return false; });
  const auto tally = recorder.take();
  CHECK(tally.ok == 1000);
  // Half of the calls waited, 250 ms on average; a tool that waits for an answer before it asks again sees one.
  CHECK(tally.latency.percentile(50) == 0);
  CHECK(tally.latency.percentile(75) == Approx(250e6).epsilon(0.01));
  CHECK(tally.latency.max() == Approx(500e6));
}

TEST_CASE("a run that is stopped starts no more calls") {
  Arrivals arrivals({1000, 1000}, 1s, Spacing::even, 1);
  FakeTime time;
  int started = 0;
  pace(
      arrivals, time.at, time, [&](TimePoint) { return ++started, true; }, [&] { return started == 7; });
  CHECK(started == 7);
}
