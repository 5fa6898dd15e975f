#include "broker/core/recent_errors.hpp"

#include <map>
#include <msgpack.hpp>
#include <vector>

#include "tests/support/catch.hpp"

using namespace samovar;
using namespace samovar::broker;

namespace {

constexpr std::uint64_t kSecondUs = 1'000'000;

struct Shown {
  msgpack::object_handle handle;
  std::vector<std::map<std::string, msgpack::object>> entries;

  Shown(const RecentErrors& errors, std::string_view service) {
    const std::string packed = errors.pack(service);
    handle = msgpack::unpack(packed.data(), packed.size());
    handle.get().convert(entries);
  }
  std::string text(std::size_t at, const char* key) const { return entries.at(at).at(key).as<std::string>(); }
  std::uint64_t count(std::size_t at) const { return entries.at(at).at("count").as<std::uint64_t>(); }
};

}  // namespace

TEST_CASE("Errors of one method and code are one entry, with their number and the last text") {
  RecentErrors errors;
  CHECK(Shown(errors, "").entries.empty());
  errors.add("ipgeo.country", Status::app_error, 10 * kSecondUs, [] { return "no such address"; });
  errors.add("ipgeo.country", Status::bad_request, 11 * kSecondUs, [] { return "no such method"; });
  errors.add("segment.cut", Status::app_error, 12 * kSecondUs, [] { return "no text"; });
  errors.add("ipgeo.country", Status::app_error, 13 * kSecondUs, [] { return "no address"; });
  const Shown all(errors, "");
  REQUIRE(all.entries.size() == 3);
  CHECK(all.text(0, "method") == "ipgeo.country");
  CHECK(all.text(0, "code") == "app_error");
  CHECK(all.text(0, "message") == "no address");
  CHECK(all.count(0) == 2);
  CHECK(all.entries.at(0).at("when").as<double>() == 13.0);
  CHECK(all.text(1, "method") == "segment.cut");
  const Shown one(errors, "segment");
  REQUIRE(one.entries.size() == 1);
  CHECK(one.text(0, "message") == "no text");
}

TEST_CASE("In a flood of errors the text is asked for now and then only") {
  RecentErrors errors;
  int asked = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    errors.add("ipgeo.country", Status::overloaded, kSecondUs + 10 * i, [&] {
      asked += 1;
      return std::to_string(i);
    });
  }
  CHECK(asked == 2);
  const Shown shown(errors, "");
  CHECK(shown.count(0) == 100'000);
}

TEST_CASE("Kinds of errors are bounded: the one that has been quiet for longest makes room") {
  RecentErrors errors;
  for (std::size_t i = 0; i < limits::kMaxRecentErrors; ++i)
    errors.add("s.m" + std::to_string(i), Status::app_error, i + 1, [] { return ""; });
  errors.add("s.m0", Status::app_error, 1000, [] { return ""; });
  errors.add("s.another", Status::app_error, 1001, [] { return ""; });
  const Shown shown(errors, "s");
  REQUIRE(shown.entries.size() == limits::kMaxRecentErrors);
  CHECK(shown.text(0, "method") == "s.another");
  CHECK(shown.count(0) == 1);
  CHECK(shown.text(1, "method") == "s.m0");
  CHECK(shown.count(1) == 2);
  CHECK(shown.text(shown.entries.size() - 1, "method") == "s.m2");
}

TEST_CASE("Of long texts the beginning is kept, cut between two characters") {
  RecentErrors errors;
  std::string text = "x";
  while (text.size() <= limits::kMaxErrorText) text += "é";
  const std::string name(3 * limits::kMaxNameBytes, 'm');
  errors.add(name, Status::app_error, 1, [&] { return text; });
  errors.add(name, Status::app_error, 2, [&] { return text; });
  const Shown shown(errors, "");
  CHECK(shown.count(0) == 2);
  CHECK(shown.text(0, "method").size() == limits::kMaxNameBytes);
  CHECK(shown.text(0, "message").size() == limits::kMaxErrorText - 1);
  CHECK(shown.text(0, "message").ends_with("é"));
}
