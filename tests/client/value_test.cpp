// samovar::Value: types, access, JSON.
#include <chrono>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <samovar/value.hpp>

#include "tests/support/catch.hpp"

using namespace samovar;
using namespace std::chrono_literals;

TEST_CASE("a value knows its type") {
  CHECK(Value().is_nil());
  CHECK(Value::of(true).type() == Value::Type::boolean);
  CHECK(Value::of(-5).type() == Value::Type::integer);
  CHECK(Value::of(1.5).type() == Value::Type::real);
  CHECK(Value::of("text").is_text());
  CHECK(Value::of(bytes("abc")).is_bytes());
  CHECK(Value::of(std::vector<int>{1}).is_array());
  CHECK(Value::of(std::map<int, int>{}).is_map());
  CHECK(Value::of(std::chrono::system_clock::now()).type() == Value::Type::timestamp);
  CHECK(Value::parse(Buffer(std::string("\xd4\x05\x01", 3))).type() == Value::Type::extension);
  CHECK(Value::of(bytes("abc")).type_word() == "bin");
}

TEST_CASE("parts of a value keep the whole alive") {
  Value part;
  {
    const auto whole = Value::of(std::map<std::string, std::vector<std::string>>{{"words", {"one", "two"}}});
    CHECK(whole.size() == 1);
    CHECK(whole.contains("words"));
    CHECK_FALSE(whole.contains("others"));
    CHECK(whole.entries().at(0).first.raw() == "words");
    part = whole["words"][1];
  }
  CHECK(part.raw() == "two");
  CHECK(part.as<std::string>() == "two");
}

TEST_CASE("access beyond what is there throws std::out_of_range") {
  const auto array = Value::of(std::vector<int>{1});
  CHECK_THROWS_AS(array[1], std::out_of_range);
  CHECK_THROWS_AS(array["x"], std::out_of_range);
  CHECK_THROWS_AS(Value::of(1)[0], std::out_of_range);
  CHECK_THROWS_AS(array.entries(), std::out_of_range);
}

TEST_CASE("a value is a member of a struct and an argument like any other") {
  const auto inner = Value::of(std::vector<int>{1, 2});
  const auto outer = Value::of(std::map<std::string, Value>{{"a", inner}});
  CHECK(outer.to_json() == R"({"a": [1, 2]})");
  const auto back = outer.as<std::map<std::string, Value>>();
  CHECK(back.at("a")[1].as<int>() == 2);
}

TEST_CASE("a value prints as JSON") {
  const auto json = [](const auto& value) { return Value::of(value).to_json(); };
  CHECK(json(nullptr) == "null");
  CHECK(json(false) == "false");
  CHECK(json(UINT64_MAX) == "18446744073709551615");
  CHECK(json(INT64_MIN) == "-9223372036854775808");
  CHECK(json(1.0) == "1.0");
  CHECK(json(0.1f) == "0.1");
  CHECK(json(1e300) == "1e+300");
  CHECK(json(std::numeric_limits<double>::infinity()) == "null");
  CHECK(json("a\"\\\n\x01\xc3\xa9") == "\"a\\\"\\\\\\n\\u0001\xc3\xa9\"");
  CHECK(json("\xff\xed\xa0\x80") == "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
  CHECK(json(bytes("")) == R"({"$bytes": ""})");
  CHECK(json(bytes("f")) == R"({"$bytes": "Zg=="})");
  CHECK(json(bytes("foobar")) == R"({"$bytes": "Zm9vYmFy"})");
  CHECK(json(std::map<int, int>{{1, 2}}) == R"({"1": 2})");
  CHECK(json(std::chrono::system_clock::time_point(1'764'013'122'500ms)) ==
        R"({"$timestamp": "2025-11-24T19:38:42.5Z"})");
  CHECK(json(std::chrono::system_clock::time_point(-1s)) == R"({"$timestamp": "1969-12-31T23:59:59Z"})");
  CHECK(Value::parse(Buffer(std::string("\xd4\x05\x01", 3))).to_json() == R"({"$ext": [5, "AQ=="]})");
  std::ostringstream out;
  out << Value::of(3);
  CHECK(out.str() == "3");
}

TEST_CASE("bytes that are not one msgpack value are refused") {
  CHECK_THROWS_AS(Value::parse(Buffer(std::string("\x01\x02"))), std::invalid_argument);
  CHECK_THROWS_AS(Value::parse(Buffer(std::string("\x92\x01"))), std::invalid_argument);
  CHECK_THROWS_AS(Value::parse(Buffer()), std::invalid_argument);
}

TEST_CASE("timestamps of all sizes and signs survive") {
  using Time = std::chrono::system_clock::time_point;
  for (const auto time : {Time{}, Time{1ns}, Time{-1ns}, Time{4'294'967'296s}, Time{4'294'967'295s},
                          Time{-9'000'000'000s - 5ns}, Time{9'000'000'000s + 999'999'999ns}}) {
    CHECK(Value::of(time).as<Time>() == time);
  }
  const auto counted_on = Value::parse(Buffer(std::string("\xd7\xff\xff\xff\xff\xfc\0\0\0\5", 10)));
  CHECK(counted_on.as<Time>() == Time{6s + 73'741'823ns});
  CHECK_THROWS_AS(Value::of(1).as<Time>(), Error);
  const std::string far =
      std::string("\xc7\x0c\xff", 3) + std::string(4, '\0') + std::string("\x7f", 1) + std::string(7, '\xff');
  CHECK_THROWS_AS(Value::parse(Buffer(far)).as<Time>(), Error);
}

TEST_CASE("bytes that are cut off, or claim more elements than there are bytes, are no value") {
  std::string packed;
  detail::pack_value(packed, std::map<std::string, std::vector<int>>{{"a", {1, 2, 300}}, {"b", {}}});
  for (std::size_t size = 0; size < packed.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(Value::parse(Buffer(packed.substr(0, size))), std::invalid_argument);
    CHECK_THROWS_AS(detail::Unpacked(packed.substr(0, size)), std::runtime_error);
  }
  CHECK_THROWS_AS(Value::parse(Buffer(packed + "x")), std::invalid_argument);
  for (const char* claim : {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff\xc0", "\xdb\xff\xff\xff\xff"}) {
    CHECK_THROWS_AS(Value::parse(Buffer(std::string(claim))), std::invalid_argument);
  }
}

TEST_CASE("a value may be nested 64 deep, but not more") {
  const auto nested = [](int depth) { return std::string(static_cast<std::size_t>(depth), '\x91') + '\xc0'; };
  CHECK(Value::parse(Buffer(nested(64))).size() == 1);
  CHECK_THROWS_AS(Value::parse(Buffer(nested(65))), std::invalid_argument);
  CHECK_THROWS_AS(detail::Unpacked(nested(65)), std::runtime_error);
}

TEST_CASE("a small value does not keep the message that it came in, a large one does") {
  for (const std::size_t size : {std::size_t{10}, std::size_t{5'000}}) {
    std::string packed;
    detail::pack_value(packed, std::string(size, 'x'));
    auto owner = std::make_shared<const std::string>(packed);
    const std::weak_ptr<const std::string> kept = owner;
    const std::string_view view = *owner;
    const auto value = Value::parse(Buffer(std::move(owner), view));
    CHECK(value.raw() == std::string(size, 'x'));
    CHECK(kept.expired() == (size < 1'000));
  }
}
