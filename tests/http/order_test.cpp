#include "http/order.hpp"

#include <string>

#include "tests/support/catch.hpp"

using samovar::http::Order;
using samovar::http::Problem;
using samovar::http::Schema;
using samovar::tools::Json;

namespace {

// What is wrong with the body; empty: nothing.
std::string complaint(const std::string& body, const Json& schema = nullptr) {
  const auto header = [](const std::string& name) {
    return std::string(name == "Content-Type" ? "application/json" : "");
  };
  try {
    static_cast<void>(Order::read(body, header, Schema(schema), "m"));
    return {};
  } catch (const Problem& problem) {
    CHECK(problem.status == 400);
    return Json::parse(problem.body)["detail"];
  }
}

std::string nested(std::size_t levels, const std::string& open, const std::string& close) {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i) text += open;
  text += "0";
  for (std::size_t i = 0; i < levels; ++i) text += close;
  return text;
}

Json schema_of(const Json& parameter, const Json& definitions) {
  const Json known{{"name", "p"}, {"schema", parameter}};
  return {{"methods", {{"m", {{"parameters", Json::array({known})}}}}}, {"$defs", definitions}};
}

}  // namespace

TEST_CASE("A body may be nested as deep as a message, however large it is") {
  CHECK(complaint(nested(63, "[", "]")).empty());
  for (const std::size_t levels : {64, 1'000'000}) {
    CHECK(complaint(nested(levels, "[", "]")) == "an argument is nested more than 63 levels deep");
    CHECK(complaint(nested(levels, R"({"a":)", "}")) == "an argument is nested more than 63 levels deep");
  }
}

TEST_CASE("A schema whose choices lead back to themselves ends") {
  const Json choice{{"type", "object"}, {"anyOf", {{{"$ref", "#/$defs/N"}}}}};
  CHECK(complaint(R"([{"a": [{}]}])", schema_of(choice, {{"N", choice}})).empty());
}

TEST_CASE("What is required by something else than a name is there in no value") {
  const Json odd{
      {"type", "object"}, {"required", {7, nullptr}}, {"properties", {{"a", {{"type", "string"}}}}}};
  CHECK(complaint(R"([{"a": "text"}])", schema_of({{"anyOf", {odd}}}, {})).empty());
}
