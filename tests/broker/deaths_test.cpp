#include "broker/core/deaths.hpp"

#include <msgpack.hpp>

#include "proto/limits.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace samovar::broker;

namespace {

std::vector<std::map<std::string, msgpack::object>> unpacked(const msgpack::object_handle& handle) {
  return handle.get().as<std::vector<std::map<std::string, msgpack::object>>>();
}

}  // namespace

TEST_CASE("Of what a worker wrote before its death the end is kept, cut between two characters") {
  std::string text;
  while (text.size() <= limits::kMaxErrorText) text += "é";
  Death death;
  death.stderr_lines = text + "x";  // the first byte that fits is the second of a character
  death.running.assign(limits::kMaxCredit + 1, "ipgeo.country");
  Deaths deaths;
  deaths.add(death);
  const std::string packed = deaths.pack("");
  const auto handle = msgpack::unpack(packed.data(), packed.size());
  const auto shown = unpacked(handle).at(0);
  const auto kept = shown.at("stderr").as<std::string>();
  CHECK(kept.size() == limits::kMaxErrorText - 1);
  CHECK(kept.starts_with("é"));
  CHECK(kept.ends_with("éx"));
  CHECK(shown.at("running").as<std::vector<std::string>>().size() == limits::kMaxCredit);
}

TEST_CASE("The last deaths are kept, newest first, and shown of one service or of all") {
  Deaths deaths;
  for (std::size_t i = 0; i < limits::kMaxDeaths + 3; ++i) {
    Death death;
    death.service = i % 2 == 0 ? "even" : "odd";
    death.pid = i;
    deaths.add(death);
  }
  CHECK(deaths.size() == limits::kMaxDeaths);
  const std::string packed = deaths.pack("even");
  const auto handle = msgpack::unpack(packed.data(), packed.size());
  const auto shown = unpacked(handle);
  CHECK(shown.size() == limits::kMaxDeaths / 2);
  CHECK(shown.front().at("pid").as<std::size_t>() == limits::kMaxDeaths + 2);
}
