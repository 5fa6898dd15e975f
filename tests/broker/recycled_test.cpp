#include "broker/core/recycled.hpp"

#include <set>

#include "tests/support/catch.hpp"

using samovar::broker::Recycled;

TEST_CASE("What is given back is used again, and nothing is handed out twice") {
  Recycled<int> pool;
  std::set<int*> taken;
  for (int i = 0; i < 1'000; ++i) REQUIRE(taken.insert(&pool.take()).second);
  CHECK(pool.size() == 1'000);
  int* last = *taken.begin();
  pool.give_back(*last);
  CHECK(&pool.take() == last);
  for (int* object : taken) pool.give_back(*object);
  CHECK(pool.size() == 0);
  CHECK(taken.contains(&pool.take()));
}

TEST_CASE("A peak leaves no more behind than is kept") {
  Recycled<char> pool;
  std::set<char*> taken;
  for (int i = 0; i < 200'000; ++i) taken.insert(&pool.take());
  CHECK(pool.capacity() >= 200'000);
  for (char* object : taken) pool.give_back(*object);
  CHECK(pool.capacity() < 100'000);
  pool.give_back(pool.take());  // and it goes on
  CHECK(pool.size() == 0);
}
