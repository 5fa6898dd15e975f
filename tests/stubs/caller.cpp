// Calls every method of apps/atelier.py by its stub: samovar-stub-caller ENDPOINT. Prints "N checks passed".
// With a method's name: only that, and prints its outcome.
#include <atelier.hpp>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <iostream>
#include <samovar/task.hpp>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

int passed = 0;

void check(bool holds, const char* what, int line) {
  if (holds) {
    ++passed;
  } else {
    std::fprintf(stderr, "line %d: %s\n", line, what);
    std::exit(1);
  }
}
#define CHECK(...) check((__VA_ARGS__), #__VA_ARGS__, __LINE__)

atelier::Drawing drawing() {
  atelier::Drawing made{.title = "a", .points = {{.x = 1}, {.x = 2, .y = 3}}};
  made.parent = std::make_shared<atelier::Drawing>(atelier::Drawing{.title = "above"});
  made.parts.push_back({.title = "part", .colour = atelier::Colour::default_});
  made.tags["odd"] = {1, 3};
  made.data = {0, 255};
  return made;
}

void structs(atelier::Client& stub) {
  const auto scaled =
      stub.scale(drawing(), atelier::ScaleOptional{.factor = 3.0, .colour = atelier::Colour::BLUE},
                 samovar::timeout(10s));
  CHECK(scaled.points.size() == 2 && scaled.points[0].x == 3 && scaled.points[0].y == 1.5);
  CHECK(scaled.colour == atelier::Colour::BLUE && scaled.level == atelier::Level::HIGH);
  CHECK(scaled.parent && scaled.parent->title == "above" && !scaled.parent->parent);
  CHECK(scaled.parts.size() == 1 && scaled.parts[0].colour == atelier::Colour::default_);
  CHECK(scaled.tags.at("odd") == std::vector<std::int64_t>{1, 3});
  CHECK(scaled.data == std::vector<std::uint8_t>{0, 255});
  CHECK(scaled.namespace_ == "a \"word\"" && scaled.size == std::tuple<std::int64_t, std::int64_t>{1, 2});
  CHECK(stub.scale(drawing()).points[1].y == 6);
}

void every_type(atelier::Client& stub) {
  const std::chrono::system_clock::time_point when{1'700'000'000s + 5us};
  const auto all = stub.echo(-(1LL << 62), 0.25, true, "Größe 茶", {1, 0, 2}, when, {7, "seven"},
                             {{1, "a"}, {-2, "b"}}, "exact", atelier::Level::LOW, {.width = 3},
                             samovar::Value::of(std::vector{1, 2}), std::nullopt);
  CHECK(std::get<0>(all) == -(1LL << 62) && std::get<1>(all) == 0.25 && std::get<2>(all));
  CHECK(std::get<3>(all) == "Größe 茶" && std::get<4>(all) == std::vector<std::uint8_t>{1, 0, 2});
  CHECK(std::get<5>(all) == when && std::get<6>(all) == std::tuple<std::int64_t, std::string>{7, "seven"});
  CHECK(std::get<7>(all) == std::map<std::int64_t, std::string>{{1, "a"}, {-2, "b"}});
  CHECK(std::get<8>(all) == "exact" && std::get<9>(all) == atelier::Level::LOW);
  CHECK(std::get<10>(all).width == 3 && !std::get<10>(all).label);
  CHECK(std::get<11>(all).to_json() == "[1, 2]" && !std::get<12>(all));
  const samovar::Array<double> values(std::vector{1.0, 2.5});
  CHECK(stub.double_(values)[1] == 5);
}

samovar::Task<std::string> coroutine(atelier::Client& stub) {
  auto text = co_await stub.co_later("co");
  auto numbers = stub.co_count(3);
  while (const auto number = co_await numbers.next()) text += std::to_string(*number);
  co_return text;
}

void every_form(atelier::Client& stub) {
  stub.nothing();
  CHECK(stub.delete_("ab", atelier::DeleteOptional{.times = 2}) == "abab" && stub.delete_("ab") == "ab");
  CHECK(stub.later("text") == "TEXT" && stub.try_later("a").value() == "A" &&
        stub.async_later("b").get() == "B");
  CHECK(stub.lengths("four") == 4);
  const auto failed = stub.try_fail("no");
  CHECK(failed.status() == samovar::Status::app_error && failed.error().details().type == "ValueError");
  std::promise<std::string> done;
  stub.async_later(
      "back", [&](samovar::Result<std::string> result) { done.set_value(result.value()); },
      samovar::timeout(10s));
  CHECK(done.get_future().get() == "BACK");
  CHECK(samovar::sync_wait(coroutine(stub)) == "CO012");
}

void streams(atelier::Client& stub) {
  double sum = 0;
  for (const auto& point : stub.corners(drawing())) sum += point.x;
  CHECK(sum == 3);
  std::promise<std::int64_t> ended;
  std::int64_t total = 0;
  stub.async_count(
      5, [&](std::int64_t number) { total += number; },
      [&](samovar::Result<void> end) { ended.set_value(end.ok() ? total : -1); }, samovar::window(2));
  CHECK(ended.get_future().get() == 10);
}

int run(const std::string& endpoint, const std::string& only) {
  samovar::Client client(endpoint);
  atelier::Client stub(client);
  if (only == "scale") return std::cout << stub.scale(drawing()).points.size() << '\n', 0;
  if (only == "later") return std::cout << stub.later("text") << '\n', 0;
  structs(stub);
  every_type(stub);
  every_form(stub);
  streams(stub);
  std::cout << passed << " checks passed\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try {
    return run(argv[1], argc > 2 ? argv[2] : "");
  } catch (const samovar::Error& error) {
    std::cout << error.what() << '\n';
    return 1;
  }
}
