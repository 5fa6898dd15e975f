#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "tests/support/catch.hpp"
#include "tools/common/arguments.hpp"
#include "tools/load/bodies.hpp"
#include "tools/load/csv.hpp"
#include "tools/load/deck.hpp"
#include "tools/load/schema.hpp"

using namespace samovar::load;
using Json = samovar::tools::Json;

namespace {

Json decoded(const std::string& body) {
  return Json::from_msgpack(body);
}

// A file that is gone with the test.
class File {
 public:
  explicit File(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / ("samovar-load-test-" + std::to_string(getpid()))) {
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("arguments are a JSON array, or one value, or one bare word") {
  CHECK(decoded(body_of(R"(["1.0.1.0", 5])")) == Json({"1.0.1.0", 5}));
  CHECK(decoded(body_of("1.0.1.0")) == Json::array({"1.0.1.0"}));
  CHECK(decoded(body_of("5")) == Json::array({5}));
  CHECK(decoded(body_of("[]")) == Json::array());
  CHECK(decoded(body_of("[[1, 2]]")) == Json::array({{1, 2}}));
}

TEST_CASE("keyword arguments are a JSON object") {
  CHECK(decoded(keywords_of(R"({"n": 5})")) == Json({{"n", 5}}));
  CHECK_THROWS_AS(keywords_of("[1]"), std::invalid_argument);
  CHECK_THROWS_AS(keywords_of("{"), std::invalid_argument);
}

TEST_CASE("a file gives the arguments of one call in each line") {
  const File file("1.0.1.0\n\n[\"8.8.8.8\", 2]\r\n");
  const auto bodies = bodies_of_lines(file.path());
  REQUIRE(bodies.size() == 2);
  CHECK(decoded(bodies[0]) == Json::array({"1.0.1.0"}));
  CHECK(decoded(bodies[1]) == Json({"8.8.8.8", 2}));
  CHECK_THROWS_AS(bodies_of_lines("/nowhere"), std::invalid_argument);
  CHECK_THROWS_AS(bodies_of_lines(File("\n").path()), std::invalid_argument);
}

TEST_CASE("CSV columns are text, unless they are named with a type") {
  const File file("ip,count,remark,list\n1.0.1.0,5,\"say \"\"hi\"\", all\",\"[1,2]\"\n8.8.8.8,6,,[]\n");
  const auto bodies = bodies_of_csv(file.path(), "remark,ip,count:int,count,count:float,list:json");
  REQUIRE(bodies.size() == 2);
  CHECK(decoded(bodies[0]) == Json({"say \"hi\", all", "1.0.1.0", 5, "5", 5.0, {1, 2}}));
  CHECK(decoded(bodies[1]) == Json({"", "8.8.8.8", 6, "6", 6.0, Json::array()}));
  CHECK_THROWS_AS(bodies_of_csv(file.path(), "country"), std::invalid_argument);
  CHECK_THROWS_AS(bodies_of_csv(file.path(), "ip:int"), std::invalid_argument);
  CHECK_THROWS_AS(bodies_of_csv(file.path(), "ip:colour"), std::invalid_argument);
}

TEST_CASE("what a CSV field is quoted as is read back as the same field") {
  for (const std::string text : {"plain", "a,b", "a\"b", "two\nlines", ""}) {
    CHECK(parse_csv("first," + csv_field(text) + "\n").at(0).at(1) == text);
  }
}

TEST_CASE("random arguments keep to their schema, and the seed decides them") {
  const auto schema = Json::parse(R"([{"type": "int", "min": -3, "max": 3}, {"type": "string", "length": 5},
      {"type": "ipv4"}, {"enum": ["a", null]}, {"type": "float", "min": 1, "max": 2}, {"type": "bool"},
      {"type": "bytes", "length": 4}, {"type": "array", "length": 2, "items": {"const": 7}},
      {"type": "string", "min_length": 1, "max_length": 3, "alphabet": "xy"}])");
  Schema drawer(schema, 1);
  std::set<int> numbers;
  for (int i = 0; i < 500; ++i) {
    const auto drawn = drawer.draw();
    REQUIRE(drawn.size() == 9);
    numbers.insert(drawn[0].get<int>());
    REQUIRE(drawn[1].get<std::string>().size() == 5);
    const auto address = drawn[2].get<std::string>();
    REQUIRE(std::count(address.begin(), address.end(), '.') == 3);
    REQUIRE((drawn[3] == "a" || drawn[3].is_null()));
    REQUIRE((drawn[4] >= 1.0 && drawn[4] <= 2.0));
    REQUIRE(drawn[5].is_boolean());
    REQUIRE(drawn[6].get_binary().size() == 4);
    REQUIRE(drawn[7] == Json({7, 7}));
    const auto word = drawn[8].get<std::string>();
    REQUIRE((!word.empty() && word.size() <= 3 && word.find_first_not_of("xy") == std::string::npos));
  }
  CHECK(numbers == std::set<int>{-3, -2, -1, 0, 1, 2, 3});
  CHECK(Schema(schema, 5).draw() == Schema(schema, 5).draw());
  CHECK(Schema(schema, 5).draw() != Schema(schema, 6).draw());
}

TEST_CASE("a schema that makes no sense is refused before the run") {
  for (const char* text :
       {R"([5])", R"([{"type": "colour"}])", R"([{"type": "int", "min": 2, "max": 1}])", R"([{"enum": []}])",
        R"([{"type": "string", "length": -1}])", R"([{"type": "array"}])",
        R"([{"type": "int", "min": "low"}])", R"({"type": "int"})", "[not json"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(bodies_of_schema(text, 1), std::invalid_argument);
  }
}

TEST_CASE("a body has the size that was asked for") {
  CHECK(decoded(body_of_size(10 << 10)).at(0).get_binary().size() == 10 << 10);
}

TEST_CASE("a mix calls each method by its weight, and takes its arguments in turns") {
  const Deck deck({{"a.x", 3, {"1", "2"}}, {"a.y", 1, {"3"}}}, 1);
  Deck::Cursor cursor(deck, 12345);
  std::map<std::string, int> calls;
  for (int i = 0; i < 10'000; ++i) {
    const auto card = cursor.next();
    ++calls[card.method + card.arguments];
  }
  CHECK(calls == std::map<std::string, int>{{"a.x1", 3750}, {"a.x2", 3750}, {"a.y3", 2500}});
}
