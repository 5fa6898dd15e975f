#include "http/history.hpp"

#include "tests/support/catch.hpp"

using samovar::http::History;
using samovar::tools::Json;

namespace {

Json status_of(std::uint64_t ok, std::uint64_t failed, double uptime_s, const std::string& id = "b1") {
  const Json histogram{{"counts", {ok, 0u}}, {"sum_us", 0}};
  const Json outcomes{{"ok", ok}, {"app_error", failed}, {"overloaded", 0u}};
  return {{"bounds_us", {100}},
          {"broker", {{"id", id}, {"uptime_s", uptime_s}}},
          {"outcomes", {{"ok", ok + 1000}, {"app_error", failed}}},
          {"services",
           {{{"name", "s"},
             {"queued", 3u},
             {"in_flight", 2u},
             {"methods",
              {{{"name", "m"}, {"outcomes", outcomes}, {"queued", histogram}, {"run", histogram}}}}}}}};
}

}  // namespace

TEST_CASE("Each sample says what came since the one before, by the broker's own clock") {
  History history;
  CHECK(history.since(0)["status"].is_null());
  history.add(status_of(10, 0, 2.0), 100);
  history.add(status_of(40, 2, 3.5), 101);
  const Json found = history.since(0);
  REQUIRE(found["samples"].size() == 2);
  const Json& last = found["samples"][1];
  CHECK(found["samples"][0]["ok"] == 10);
  CHECK(last["ok"] == 30);
  CHECK(last["failed"] == Json{{"app_error", 2}});
  CHECK(last["seconds"] == 1.5);
  CHECK(last["queued"] == 3);
  CHECK(last["in_flight"] == 2);
  CHECK(last["run_us"] == Json{50.0, 99.0});
  CHECK(history.since(1)["samples"].size() == 1);
  CHECK(history.since(2)["samples"].empty());
}

TEST_CASE("The status has percentiles for histograms, and what each service did lately") {
  History history;
  for (std::uint64_t i = 0; i <= 20; ++i)
    history.add(status_of(10 * i, i, 1.0 + static_cast<double>(i)), 100);
  const Json status = history.since(0)["status"];
  CHECK(status["outcomes"]["ok"] == 200);  // without the broker's own methods
  CHECK(status["services"][0]["methods"][0]["run"] == Json{50.0, 99.0});
  CHECK(status["services"][0]["methods"][0]["failed"] == 20);
  const Json& recent = status["services"][0]["recent"];
  CHECK(recent["seconds"] == 10.0);
  CHECK(recent["ok"] == 100);
  CHECK(status["recent"]["failed"] == Json{{"app_error", 10}});
}

TEST_CASE("While no status comes the last one stays, with the time since when, and a gap in the samples") {
  History history;
  history.add(status_of(10, 0, 2.0), 100);
  history.add_problem("unavailable", "nobody answers", 101);
  history.add_problem("unavailable", "nobody answers still", 102);
  Json found = history.since(0);
  CHECK(found["problem"] ==
        Json{{"code", "unavailable"}, {"detail", "nobody answers still"}, {"since", 101.0}});
  CHECK(found["known_at"] == 100.0);
  CHECK(found["status"]["services"].size() == 1);
  CHECK(found["samples"].size() == 3);
  CHECK_FALSE(found["samples"][2].contains("ok"));
  history.add(status_of(15, 0, 5.0), 103);
  found = history.since(3);
  CHECK(found["problem"].is_null());
  CHECK(found["samples"][0]["ok"] == 5);
  CHECK(found["samples"][0]["seconds"] == 3.0);
}

TEST_CASE("Another broker begins anew, and the past is bounded") {
  History history;
  history.add(status_of(50, 0, 9.0), 100);
  history.add(status_of(60, 0, 1.0, "b2"), 101);
  CHECK(history.since(1)["samples"][0]["ok"] == 60);
  for (std::size_t i = 0; i < History::kSamples; ++i) history.add_problem("unavailable", "", 102);
  CHECK(history.since(0)["samples"].size() == History::kSamples);
  CHECK(history.since(0)["samples"][0]["number"] == 3);
}

TEST_CASE("A service that comes later has no past") {
  History history;
  Json status = status_of(10, 0, 100.0);
  status["services"] = Json::array();
  history.add(status, 100);
  history.add(status_of(10, 0, 101.0), 101);
  CHECK(history.since(0)["status"]["services"][0]["recent"]["ok"] == 10);
}
