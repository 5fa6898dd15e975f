// The grammar of lists of brokers: endpoints.json is what every parser of them has to agree with.
#include "proto/endpoints.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"

namespace samovar::proto {
namespace {

TEST_CASE("A list of brokers is what endpoints.json says") {
  std::ifstream file(std::string{SAMOVAR_SOURCE_DIR} + "/tests/proto/endpoints.json");
  const auto lists = nlohmann::json::parse(file);
  for (const auto& each : lists) {
    const auto list = each.at("list").get<std::string>();
    INFO(list);
    const Endpoints found = parse_endpoints(list);
    const auto wrong = each.value("wrong", std::string());
    INFO(found.wrong);
    CHECK(found.wrong.empty() == wrong.empty());
    CHECK(found.wrong.find(wrong) != std::string::npos);
    if (wrong.empty()) CHECK(found.pieces == each.at("pieces").get<std::vector<std::string>>());
  }
}

}  // namespace
}  // namespace samovar::proto
