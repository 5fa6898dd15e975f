#include "broker/core/list.hpp"

#include <list>
#include <random>
#include <vector>

#include "tests/support/catch.hpp"

using namespace samovar::broker;

namespace {

struct Item {
  int number = 0;
  Link<Item> link;
};
using Items = List<Item, &Item::link>;

std::vector<int> numbers(const Items& items) {
  std::vector<int> out;
  for (const Item* item = items.front(); item; item = Items::next(*item)) out.push_back(item->number);
  return out;
}

}  // namespace

TEST_CASE("A list is what std::list would be") {
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::vector<Item> all(20);
  for (int i = 0; i < 20; ++i) all[static_cast<std::size_t>(i)].number = i;
  Items items;
  std::list<int> model;
  for (int step = 0; step < 2'000; ++step) {
    Item& item = all[random() % all.size()];
    if (Items::is_linked(item)) {
      items.remove(item);
      model.remove(item.number);
    } else if (random() % 2) {
      items.push_back(item);
      model.push_back(item.number);
    } else {
      items.push_front(item);
      model.push_front(item.number);
    }
    if (random() % 10 == 0) {
      const Item* first = items.pop_front();
      REQUIRE((first == nullptr) == model.empty());
      if (first) {
        REQUIRE(first->number == model.front());
        REQUIRE_FALSE(Items::is_linked(*first));
        model.pop_front();
      }
    }
    REQUIRE(items.size() == model.size());
    REQUIRE(items.empty() == model.empty());
    REQUIRE(numbers(items) == std::vector<int>(model.begin(), model.end()));
  }
}
