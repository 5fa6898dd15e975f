#include "broker/core/id_table.hpp"

#include <deque>
#include <map>
#include <random>

#include "tests/support/catch.hpp"

using samovar::broker::IdTable;

TEST_CASE("An id table finds what was put in and nothing else, whatever was erased before") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  const auto ids = GENERATE(10u, 200u, 1'000'000u);
  CAPTURE(seed, ids);
  std::mt19937_64 random(seed);
  IdTable<int> table(random());
  std::deque<int> values;
  std::map<std::uint64_t, int*> model;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t id = random() % ids;
    const auto at = model.find(id);
    REQUIRE(table.find(id) == (at == model.end() ? nullptr : at->second));
    if (at != model.end()) {
      table.erase(id);
      model.erase(at);
    } else if (random() % 3 != 0) {
      int& value = values.emplace_back(step);
      table.insert(id, value);
      model.emplace(id, &value);
    }
    REQUIRE(table.size() == model.size());
  }
  for (const auto& [id, value] : model) REQUIRE(table.find(id) == value);
  REQUIRE(table.all().size() == model.size());
  while (!model.empty()) {
    table.erase(model.begin()->first);
    model.erase(model.begin());
  }
  CHECK(table.empty());
  CHECK(table.all().empty());
}
