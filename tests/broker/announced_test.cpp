#include "broker/core/schemas.hpp"
#include "proto/limits.hpp"
#include "tests/support/catch.hpp"

using samovar::broker::Announced;

TEST_CASE("A reload brings another schema, which is no conflict") {
  Announced announced;
  announced.add({"s1", 1, 7}, "old");
  announced.add({"s1", 1, 7}, "old");
  CHECK(announced.schemas() == 1);
  announced.add({"s1", 2, 8}, "new");
  CHECK(announced.schemas() == 2);
  CHECK_FALSE(announced.conflict());
  CHECK(announced.current().hash() == 8);
  announced.remove({"s1", 1, 7});
  CHECK(announced.schemas() == 2);
  announced.remove({"s1", 1, 7});
  CHECK(announced.schemas() == 1);
}

TEST_CASE("Other pools, other workers without one, and workers of one generation conflict") {
  const Announced::Announcement first{"s1", 1, 7};
  for (const Announced::Announcement& second :
       {Announced::Announcement{"s2", 1, 8}, {"s2", 2, 8}, {"", 2, 8}, {"s1", 1, 8}}) {
    Announced announced;
    announced.add(first, "a");
    announced.add(second, "b");
    CHECK(announced.conflict());
    announced.remove(first);
    CHECK_FALSE(announced.conflict());
  }
}

TEST_CASE("Who announces the same, or nothing, conflicts with nobody") {
  Announced announced;
  announced.add({"s1", 1, 7}, "a");
  announced.add({"s2", 3, 7}, "a");
  announced.add({"s3", 1, 0}, "");
  CHECK_FALSE(announced.conflict());
  CHECK(announced.schemas() == 1);
}

TEST_CASE("What is kept of announcements is bounded, and what is forgotten may be removed") {
  Announced announced;
  const auto most = samovar::limits::kMaxAnnounced;
  for (std::size_t i = 1; i <= most + 1; ++i) announced.add({"s" + std::to_string(i), i, i}, "schema");
  CHECK(announced.schemas() == most);
  CHECK(announced.current().hash() == most + 1);
  announced.remove({"s1", 1, 1});
  CHECK(announced.schemas() == most);
}
