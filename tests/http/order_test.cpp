#include "http/order.hpp"

#include <samovar/value.hpp>
#include <string>

#include "tests/support/catch.hpp"

using samovar::http::Order;
using samovar::http::Problem;
using samovar::http::Schema;
using samovar::tools::Json;

namespace {

Order read(const std::string& body, const Json& schema = nullptr) {
  const auto header = [](const std::string& name) {
    return std::string(name == "Content-Type" ? "application/json" : "");
  };
  return Order::read(body, header, Schema(schema), "m");
}

// What is sent of it, as JSON again.
std::string keywords(const std::string& body) {
  return samovar::Value::parse(samovar::Buffer(read(body).kwargs)).to_json();
}

// What is wrong with the body; empty: nothing.
std::string complaint(const std::string& body, const Json& schema = nullptr) {
  try {
    static_cast<void>(read(body, schema));
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

// With a look at all earlier keys for each, this would take minutes.
TEST_CASE("An object may have very many keys, and they keep their order") {
  std::string many;
  for (int i = 400'000; i > 0; --i) many += (many.empty() ? "" : ", ") + ('"' + std::to_string(i) + "\": 0");
  const std::string body = "{\"first\": {" + many + "}, " + many + "}";
  CHECK((keywords(body) == body));  // not to be shown
}

TEST_CASE("Of a key that stands twice in an object the last value counts, in the place of the first") {
  CHECK(keywords(R"({"a": 1, "b": {"c": 1, "d": 2, "c": [3], "c": {"e": 4}}, "a": "x"})") ==
        R"({"a": "x", "b": {"c": {"e": 4}, "d": 2}})");
  CHECK(keywords(R"({"": 1, "A": 2, "a": 3, "": 4})") == R"({"": 4, "A": 2, "a": 3})");
}

TEST_CASE("What is not JSON to its end is no body") {
  for (const char* body : {"{", "[1", R"({"a"})", R"({"a": 1]})", "[] []", "[1e999]", R"({"a": 1, 2: 3})"}) {
    CHECK(complaint(body) ==
          "the body has to be a JSON array, the arguments, or a JSON object, the arguments by name");
  }
}
