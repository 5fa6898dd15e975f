// What an HTTP request says of a call, by a schema that came from a worker, and what a result looks like by it. Input: a byte for the
// headers, the length of the schema in two bytes, the schema as JSON, and the rest: the body. What is wrong is a Problem; what
// is not is msgpack that can be sent.
#include <map>
#include <samovar/value.hpp>
#include <string>

#include "http/address.hpp"
#include "http/order.hpp"
#include "http/timestamp.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"
#include "tests/fuzz/target.hpp"

namespace samovar::fuzz {
namespace {

using http::Order;
using http::Problem;
using http::Schema;
using tools::Json;

const std::string kMethod = "m";

void expect_sendable(const std::string& packed) {
  proto::Cursor cursor(packed);
  std::string_view all;
  expect(cursor.skip(samovar::limits::kMaxDepth, all) && cursor.at_end(), "the body is one value of msgpack");
}

// As it is shown to a caller: any value that a worker may have returned.
void show(const Schema& schema, const std::string& packed) {
  Json json = Json::parse(Value::parse(Buffer(packed)).to_json());
  schema.show_result(kMethod, json);
  static_cast<void>(json.dump());
}

void read(const std::string& body, const Schema& schema, unsigned choice) {
  // Bit by bit: what is said, and whether that is the beginning of the body.
  const auto header = [&](const std::string& name) -> std::string {
    static const std::map<std::string, std::pair<unsigned, std::string>> kGood{
        {"Samovar-Timeout", {1, "2.5s"}},
        {"Samovar-Idempotent", {2, "true"}},
        {"Samovar-Priority", {4, "bulk"}},
        {"traceparent", {8, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}};
    if (name == "Content-Type") return "application/json";
    if (name == "Samovar-Affinity") return body.substr(0, 40);  // any text
    const auto& [bit, good] = kGood.at(name);
    if ((choice & bit) == 0) return "";
    return (choice & bit << 4) == 0 ? good : body.substr(0, 40);
  };
  try {
    const Order order = Order::read(body, header, schema, kMethod);
    expect_sendable(order.args);
    if (!order.kwargs.empty()) expect_sendable(order.kwargs);
    expect(!order.timeout || order.timeout->count() > 0, "a timeout is a time");
    show(schema, order.kwargs.empty() ? order.args : order.kwargs);
  } catch (const Problem& problem) {
    expect(problem.status == 400, "what is wrong is the caller's mistake");
    expect(Json::accept(problem.body), "a problem is JSON");
  }
}

}  // namespace
}  // namespace samovar::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samovar;
  fuzz::Script script(data, size);
  const unsigned choice = script.byte();
  const std::string document(script.long_bytes());
  const std::string body(script.rest());
  auto schema = tools::Json::parse(document, nullptr, /*allow_exceptions=*/false);
  if (schema.is_discarded()) schema = nullptr;
  fuzz::read(body, http::Schema(std::move(schema)), choice);
  static_cast<void>(http::host_of(body));
  if (const auto time = http::read_timestamp(body)) fuzz::expect_sendable(tools::to_msgpack(*time));
  return 0;
}
