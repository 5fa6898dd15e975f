#include "broker/core/schema.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "broker/core/schemas.hpp"
#include "tests/support/catch.hpp"

namespace samovar::broker {
namespace {

using Json = nlohmann::json;

const Json kDefinitions = R"({
  "Point": {"type": "object", "required": ["x"],
            "properties": {"x": {"type": "number"}, "y": {"type": "number", "default": 0}}},
  "Node": {"type": "object", "required": ["next"],
           "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}},
  "Colour": {"enum": ["red", "blue"]}
})"_json;

std::string pack(const Json& json) {
  const auto bytes = Json::to_msgpack(json);
  return {bytes.begin(), bytes.end()};
}

// A schema of one method, `find`.
Json schema(const Json& parameters, const Json& result = Json::object(), Json definitions = kDefinitions) {
  return {{"methods", {{"find", {{"parameters", parameters}, {"result", result}}}}},
          {"$defs", std::move(definitions)}};
}

Json takes(const char* type, const char* name = "value") {
  return Json::array({{{"name", name}, {"required", true}, {"schema", Json::parse(type)}}});
}

std::string difference(const Json& caller, const Json& workers) {
  const Schema mine(1, pack(caller));
  return mine.difference_from(Schema(2, pack(workers)), "find");
}

std::string given(const char* caller, const char* workers) {
  return difference(schema(takes(caller)), schema(takes(workers)));
}

std::string returned(const char* workers, const char* caller) {
  return difference(schema(Json::array(), Json::parse(caller)), schema(Json::array(), Json::parse(workers)));
}

// Two types of which the second takes all that the first gives.
struct Pair {
  const char* given;
  const char* taken;
};
constexpr const char* kInteger = R"({"type": "integer"})";
constexpr const char* kText = R"({"type": "string"})";
constexpr const char* kPoint = R"({"$ref": "#/$defs/Point"})";

TEST_CASE("What is given fits what is taken when it is the same, or narrower") {
  const Pair pair = GENERATE(
      Pair{kInteger, kInteger}, Pair{kInteger, R"({"type": "number"})"}, Pair{kInteger, "{}"},
      Pair{"{}", "{}"}, Pair{kText, R"({"anyOf": [{"type": "string"}, {"type": "null"}]})"},
      Pair{R"({"anyOf": [{"type": "null"}, {"type": "integer"}]})",
           R"({"anyOf": [{"type": "number"}, {"type": "null"}, {"type": "string"}]})"},
      Pair{R"({"enum": ["a"]})", R"({"enum": ["b", "a"]})"}, Pair{R"({"enum": ["a"]})", kText},
      Pair{R"({"enum": [1, -2]})", R"({"type": "number"})"},
      Pair{R"({"enum": [true]})", R"({"type": "boolean"})"},
      Pair{R"({"type": "array", "items": {"type": "integer"}})",
           R"({"type": "array", "items": {"type": "number"}})"},
      Pair{R"({"type": "array", "prefixItems": [{"type": "integer"}]})",
           R"({"type": "array", "prefixItems": [{"type": "number"}]})"},
      Pair{R"({"type": "array", "prefixItems": [{"type": "integer"}]})",
           R"({"type": "array", "items": {"type": "integer"}})"},
      Pair{R"({"type": "object", "additionalProperties": {"type": "integer"}})",
           R"({"type": "object", "additionalProperties": {}})"},
      Pair{kPoint, R"({"type": "object", "additionalProperties": {"type": "number"}})"}, Pair{kPoint, kPoint},
      Pair{R"({"$ref": "#/$defs/Node"})", R"({"$ref": "#/$defs/Node"})"},
      Pair{R"({"type": "array", "x-samovar-array": "f8"})", R"({"type": "array", "x-samovar-array": ""})"});
  INFO(pair.given << " for " << pair.taken);
  CHECK(given(pair.given, pair.taken).empty());
  CHECK(returned(pair.given, pair.taken).empty());
}

TEST_CASE("What is given does not fit what is taken when it is another type, or wider") {
  const Pair pair = GENERATE(
      Pair{R"({"type": "number"})", kInteger}, Pair{kText, kInteger}, Pair{"{}", kText},
      Pair{R"({"anyOf": [{"type": "string"}, {"type": "null"}]})", kText},
      Pair{kText, R"({"type": "string", "contentEncoding": "base64"})"},
      Pair{R"({"type": "string", "format": "date-time"})", kText},
      Pair{R"({"enum": ["a", "b"]})", R"({"enum": ["a"]})"}, Pair{kText, R"({"enum": ["a"]})"},
      Pair{R"({"enum": ["a"]})", R"({"type": "string", "contentEncoding": "base64"})"},
      Pair{R"({"enum": [null]})", kText}, Pair{R"({"enum": [1]})", kText},
      Pair{R"({"type": "array", "items": {"type": "string"}})",
           R"({"type": "array", "items": {"type": "integer"}})"},
      Pair{R"({"type": "array", "items": {"type": "integer"}})",
           R"({"type": "array", "prefixItems": [{"type": "integer"}]})"},
      Pair{R"({"type": "array", "prefixItems": []})",
           R"({"type": "array", "prefixItems": [{"type": "integer"}]})"},
      Pair{R"({"type": "object", "additionalProperties": {}, "x-samovar-keys": {"type": "integer"}})",
           R"({"type": "object", "additionalProperties": {}})"},
      Pair{R"({"type": "object", "additionalProperties": {}})", kPoint}, Pair{kPoint, kInteger},
      Pair{R"({"type": "array", "x-samovar-array": "f8"})", R"({"type": "array", "x-samovar-array": "f4"})"},
      Pair{R"({"type": "array", "items": {"type": "number"}})",
           R"({"type": "array", "x-samovar-array": "f8"})"});
  INFO(pair.given << " for " << pair.taken);
  CHECK(!given(pair.given, pair.taken).empty());
  CHECK(!returned(pair.given, pair.taken).empty());
}

TEST_CASE("A difference says where it is, and what each side means") {
  CHECK(given(kText, kInteger) == "parameter 'value': the caller gives text, the workers take integer");
  CHECK(returned(R"({"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}})",
                 R"({"type": "array", "items": {"type": "integer"}})") ==
        "the result[]: the workers return null, the caller expects integer");
  CHECK(given(R"({"enum": ["a", 1, -1, null]})", R"({"$ref": "#/$defs/Colour"})") ==
        "parameter 'value': the caller gives 'a' or 1 or -1 or another value, the workers take Colour");
  CHECK(given(R"({"type": "string", "contentEncoding": "base64"})", R"({"type": "string", "format": "x"})") ==
        "parameter 'value': the caller gives bytes, the workers take time");
  CHECK(given(R"({"type": "array", "x-samovar-array": "f8"})",
              R"({"type": "object", "additionalProperties": {}})") ==
        "parameter 'value': the caller gives array of f8, the workers take map to anything");
}

Json point(const char* properties, const char* required) {
  Json definitions = kDefinitions;
  definitions["Point"] = {
      {"type", "object"}, {"properties", Json::parse(properties)}, {"required", Json::parse(required)}};
  return definitions;
}

TEST_CASE("Structs may gain optional fields, and lose none that the other side needs") {
  const Json now = point(R"({"x": {"type": "number"}, "y": {"type": "number"}})", R"(["x"])");
  const Json more =
      point(R"({"x": {"type": "number"}, "y": {"type": "number"}, "z": {"type": "number"}})", R"(["x"])");
  const Json needed = point(R"({"x": {"type": "number"}, "y": {"type": "number"}})", R"(["x", "y"])");
  const Json less = point(R"({"y": {"type": "number"}})", R"([])");
  const auto arguments = [](const Json& caller, const Json& workers) {
    return difference(schema(takes(kPoint), {}, caller), schema(takes(kPoint), {}, workers));
  };
  const auto results = [](const Json& caller, const Json& workers) {
    const Json result = Json::parse(kPoint);
    return difference(schema(Json::array(), result, caller), schema(Json::array(), result, workers));
  };
  CHECK(arguments(now, more).empty());
  CHECK(arguments(more, now) ==
        "parameter 'value'.z: the caller gives this field, the workers do not know it");
  CHECK(arguments(now, needed) ==
        "parameter 'value'.y: the workers need this field, the caller may leave it out");
  CHECK(arguments(needed, now).empty());
  CHECK(results(now, more).empty());
  CHECK(results(more, now).empty());
  CHECK(results(now, less) == "the result.x: the caller expects this field, the workers no longer have it");
}

Json parameter(const char* name, bool required, bool keyword_only = false) {
  return {{"name", name},
          {"required", required},
          {"schema", {{"type", "integer"}}},
          {"keyword_only", keyword_only}};
}

TEST_CASE("Parameters may gain a default or optional ones, and keep their places and names") {
  const Json a = parameter("a", true);
  const Json b = parameter("b", true);
  const Json c = parameter("c", false);
  const auto compare = [](const Json& caller, const Json& workers) {
    return difference(schema(caller), schema(workers));
  };
  CHECK(compare({a, b}, {a, b, c}).empty());
  CHECK(compare({a, b}, {a, parameter("b", false)}).empty());
  CHECK(compare({a, c}, {a, c, parameter("d", false, true)}).empty());
  CHECK(compare({a, b}, {b, a}) == "parameter 1 is 'b', for the caller it is 'a'");
  CHECK(compare({a, c}, Json::array({a})) == "the workers do not know the parameter 'c'");
  CHECK(compare(Json::array({a}), {a, b}) ==
        "the workers need the parameter 'b', which the caller does not know");
  CHECK(compare({a, c}, {a, parameter("c", true)}) ==
        "the parameter 'c' must be given, the caller may leave it out");
  CHECK(compare({parameter("k", true, true), a}, {a, parameter("k", true, true)}).empty());
  Json rest = schema(Json::array({a}));
  rest["methods"]["find"]["kwargs"] = Json::object();
  CHECK(difference(schema({a, c}), rest).empty());
}

TEST_CASE("What is no schema, or of no method that both have, is not compared") {
  CHECK(difference(schema(takes(kText)), Json::object()).empty());
  CHECK(difference(Json("text"), schema(takes(kText))).empty());
  CHECK(difference(schema(Json{{"name", 5}}), schema(Json("nothing"))).empty());
  const Schema broken(1, "\xc1");
  CHECK(broken.difference_from(Schema(2, pack(schema(takes(kText)))), "find").empty());
  CHECK(Schema().difference_from(Schema(2, "\x80"), "find").empty());
}

TEST_CASE("Types that hold themselves, or nest without end, are compared in bounded time") {
  Json definitions;
  for (int i = 0; i < 200; ++i) {
    const std::string next = "#/$defs/N" + std::to_string((i + 1) % 200);
    definitions["N" + std::to_string(i)] = {
        {"anyOf", {{{"$ref", next}}, {{"type", "array"}, {"items", {{"$ref", next}}}}}}};
  }
  const Json looping = schema(takes(R"({"$ref": "#/$defs/N0"})"), {}, definitions);
  Json other = looping;
  other["$defs"]["N199"] = {{"type", "integer"}};
  CHECK_NOTHROW(difference(looping, other));
}

}  // namespace
}  // namespace samovar::broker
