#include "tools/common/tally.hpp"

#include "tests/support/catch.hpp"

using namespace samovar::tools;

namespace {

const Json kBounds = {100, 1000, 10'000};

Json method(const std::string& name, const Json& outcomes, const Counts& run) {
  return {{"name", name},
          {"outcomes", outcomes},
          {"run", {{"counts", run}, {"sum_us", 0}}},
          {"queued", {{"counts", run}, {"sum_us", 0}}}};
}

}  // namespace

TEST_CASE("Quantiles lie within their bucket by how many are below") {
  CHECK_FALSE(quantile_us({}, kBounds, 0.5));
  CHECK_FALSE(quantile_us({0, 0, 0, 0}, kBounds, 0.5));
  CHECK_FALSE(quantile_us({1}, Json(), 0.5));
  CHECK(quantile_us({10, 0, 0, 0}, kBounds, 0.5) == 50.0);
  CHECK(quantile_us({0, 10, 0, 0}, kBounds, 0.5) == 550.0);
  CHECK(quantile_us({98, 0, 2, 0}, kBounds, 0.99) == 5500.0);
  CHECK(quantile_us({99, 0, 0, 1}, kBounds, 0.99) == 100.0);
  CHECK(quantile_us({0, 0, 0, 7}, kBounds, 0.5) == 10'000.0);
}

TEST_CASE("Methods add up to their service, and services to the broker, without the broker's own methods") {
  const Json status{
      {"services",
       {{{"name", "a"},
         {"methods",
          {method("x", {{"ok", 3u}, {"app_error", 1u}}, {4, 0}), method("y", {{"ok", 2u}}, {0, 2})}}},
        {{"name", "b"}, {"methods", {method("z", {{"ok", 1u}}, {1, 0})}}}}},
      {"outcomes", {{"ok", 100u}, {"app_error", 1u}, {"no_service", 7u}}}};
  const Tally a = Tally::of_service(status["services"][0]);
  CHECK(a.ok() == 5);
  CHECK(a.failed() == 1);
  CHECK(a.run == Counts{4, 2});
  const Tally all = Tally::of_status(status);
  CHECK(all.ok() == 6);
  CHECK(all.failed() == 8);
  CHECK(all.queued == Counts{5, 2});
  CHECK(Tally::of_status(Json::object()).failed() == 0);
}

TEST_CASE("What came since then is the difference, or everything when the broker has begun anew") {
  const Tally before = Tally::of_method(method("x", {{"ok", 3u}, {"app_error", 1u}}, {4, 0}));
  const Tally now =
      Tally::of_method(method("x", {{"ok", 5u}, {"app_error", 1u}, {"overloaded", 2u}}, {4, 3}));
  const Tally came = now.since(before);
  CHECK(came.outcomes == std::map<std::string, std::uint64_t>{{"ok", 2}, {"overloaded", 2}});
  CHECK(came.run == Counts{0, 3});
  CHECK(before.since(now).outcomes == before.outcomes);
  CHECK(now.since(Tally()).run == now.run);
}
