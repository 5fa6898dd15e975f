#include "broker/core/timers.hpp"

#include <map>
#include <memory>
#include <random>
#include <set>

#include "tests/support/catch.hpp"

using namespace samovar::broker;
using namespace std::chrono_literals;

TEST_CASE("Timers wake in the order of their times, whatever was set, moved or cancelled before") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u, 5u);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Timers timers;
  std::vector<std::unique_ptr<Timer>> all;
  for (int i = 0; i < 50; ++i) all.push_back(std::make_unique<Timer>(Timer::Kind::request, nullptr));
  std::map<const Timer*, TimePoint> at;
  std::multiset<TimePoint> model;
  TimePoint now{};
  for (int step = 0; step < 5'000; ++step) {
    Timer& timer = *all[random() % all.size()];
    switch (random() % 4) {
      case 0:
      case 1: {
        if (timer.is_set()) model.erase(model.find(at[&timer]));
        at[&timer] = now + std::chrono::microseconds(random() % 100);
        timers.set(timer, at[&timer]);
        model.insert(at[&timer]);
        break;
      }
      case 2:
        if (timer.is_set()) model.erase(model.find(at[&timer]));
        timers.cancel(timer);
        break;
      default:
        now += std::chrono::microseconds(random() % 20);
        while (Timer* due = timers.pop_due(now)) {
          REQUIRE_FALSE(due->is_set());
          REQUIRE(at[due] <= now);
          REQUIRE(at[due] == *model.begin());
          model.erase(model.begin());
        }
        REQUIRE((model.empty() || *model.begin() > now));
    }
    REQUIRE(timers.size() == model.size());
    REQUIRE(timers.next().has_value() == !model.empty());
    if (!model.empty()) REQUIRE(*timers.next() == *model.begin());
  }
}

TEST_CASE("A timer may be cancelled twice, and set again from where it woke") {
  Timers timers;
  Timer timer(Timer::Kind::drain, nullptr);
  timers.cancel(timer);
  timers.set(timer, TimePoint(5s));
  timers.set(timer, TimePoint(3s));
  CHECK(timers.size() == 1);
  CHECK(timers.pop_due(TimePoint(2s)) == nullptr);
  CHECK(timers.pop_due(TimePoint(3s)) == &timer);
  CHECK(timers.pop_due(TimePoint(9s)) == nullptr);
  timers.set(timer, TimePoint(4s));
  timers.cancel(timer);
  timers.cancel(timer);
  CHECK(timers.size() == 0);
  CHECK_FALSE(timers.next());
}
