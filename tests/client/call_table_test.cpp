#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "client/call_table.hpp"
#include "tests/support/catch.hpp"

using namespace samovar::client;
using namespace std::chrono_literals;

TEST_CASE("the call that is due first is found, whatever the timeouts") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  // One timeout, as most programs have; a few; one long one among short ones; any.
  const auto timeout = [&](int kind) -> Duration {
    switch (kind) {
      case 0: return 30s;
      case 1: return random() % 2 == 0 ? Duration(50ms) : Duration(30s);
      case 2: return random() % 50 == 0 ? Duration(24h) : Duration(1s);
      default: return std::chrono::microseconds(random() % 1'000'000);
    }
  };
  for (int kind = 0; kind < 4; ++kind) {
    CallTable table(1);
    TimePoint now{1'000s};
    std::set<std::pair<TimePoint, CallTable::Slot>> expected;
    std::map<CallTable::Slot, TimePoint> slots;
    const auto some_slot = [&] {
      return std::next(slots.begin(), static_cast<std::ptrdiff_t>(random() % slots.size()))->first;
    };
    for (int i = 0; i < 3'000; ++i) {
      now += std::chrono::microseconds(random() % 1'000);
      const auto action = random() % 10;
      if (slots.empty() || action < 5) {
        auto call = std::make_shared<Call>();
        call->deadline = now + timeout(kind);
        const auto due = call->deadline;
        const auto slot = table.add(std::move(call));
        expected.emplace(due, slot);
        slots[slot] = due;
      } else if (action < 9) {
        const auto slot = action < 7 ? table.first_due() : some_slot();
        expected.erase({slots[slot], slot});
        slots.erase(slot);
        CHECK(table.remove(slot) != nullptr);
      } else {
        const auto slot = some_slot();
        expected.erase({slots[slot], slot});
        slots[slot] += 100ms;
        expected.emplace(slots[slot], slot);
        table.set_due(slot, slots[slot]);
      }
      REQUIRE(table.size() == slots.size());
      if (slots.empty()) {
        REQUIRE(table.first_due() == CallTable::kNone);
      } else {
        REQUIRE(table[table.first_due()].due == expected.begin()->first);
      }
    }
  }
}
