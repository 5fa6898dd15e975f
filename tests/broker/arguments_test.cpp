#include "broker/core/arguments.hpp"

#include "proto/codec.hpp"
#include "tests/broker/messages.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using namespace samovar::test;
using broker::Arguments;

namespace {

// args, and kwargs by key and value, all encoded.
std::string a_body(const std::vector<std::string>& args,
                   const std::vector<std::pair<std::string, std::string>>& kwargs) {
  std::string out;
  proto::append_array(out, static_cast<std::uint32_t>(args.size()));
  for (const auto& arg : args) out += arg;
  proto::append_map(out, static_cast<std::uint32_t>(kwargs.size()));
  for (const auto& [key, value] : kwargs) out += key + value;
  return out;
}

const std::string kSeven("\x07");
const std::string kNil(proto::kNil);

}  // namespace

TEST_CASE("Arguments are found by place and by name") {
  const std::string body = a_body({str("ipgeo")}, {{str("workers"), kSeven}});
  const Arguments arguments(body, {"service", "workers"});
  std::string_view service;
  std::uint64_t workers = 0;
  CHECK(arguments.fit());
  REQUIRE(arguments.text(0, service));
  REQUIRE(arguments.number(1, workers));
  CHECK(service == "ipgeo");
  CHECK(workers == 7);
  CHECK_FALSE(arguments.text(1, service));
  CHECK_FALSE(arguments.number(0, workers));
}

TEST_CASE("A nil is no argument") {
  const std::string body = a_body({kNil}, {{str("workers"), kNil}});
  const Arguments arguments(body, {"service", "workers"});
  CHECK(arguments.fit());
  CHECK_FALSE(arguments.has(0));
  CHECK_FALSE(arguments.has(1));
}

TEST_CASE("Arguments that are too many, unknown, or given twice do not fit") {
  CHECK_FALSE(Arguments(a_body({str("a"), str("b")}, {}), {"service"}).fit());
  CHECK_FALSE(Arguments(a_body({}, {{str("servant"), str("a")}}), {"service"}).fit());
  CHECK_FALSE(Arguments(a_body({}, {{kSeven, str("a")}}), {"service"}).fit());
  CHECK_FALSE(Arguments(a_body({str("a")}, {{str("service"), str("a")}}), {"service"}).fit());
}
