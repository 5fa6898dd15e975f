#include "http/order.hpp"

#include <map>
#include <stdexcept>

#include "tools/common/arguments.hpp"

namespace samovar::http {
namespace {

using tools::Json;

Problem bad(const std::string& detail) {
  return problem_of(400, "bad_request", detail);
}

bool is_on(const std::string& text, const char* name) {
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  throw bad(std::string(name) + ": '" + text + "' is not true or false");
}

Priority priority_of(const std::string& text) {
  static const std::map<std::string, Priority> kWords{
      {"urgent", Priority::urgent}, {"normal", Priority::normal}, {"bulk", Priority::bulk}};
  const auto at = kWords.find(text);
  if (at == kWords.end()) throw bad("Samovar-Priority: '" + text + "' is not urgent, normal or bulk");
  return at->second;
}

Json parse(const std::string& body) {
  try {
    return tools::parse_argument(body);
  } catch (const std::invalid_argument& error) {
    throw bad(error.what());
  }
}

void read_arguments(const std::string& body, const Schema& schema, const std::string& method, Order& order) {
  Json parsed = body.empty() ? Json::array() : parse(body);
  schema.read_arguments(method, parsed);
  if (parsed.is_array()) {
    order.args = tools::to_msgpack(parsed);
  } else if (parsed.is_object()) {
    order.args = tools::to_msgpack(Json::array());
    if (!parsed.empty()) order.kwargs = tools::to_msgpack(parsed);
  } else {
    throw bad("the body has to be a JSON array, the arguments, or a JSON object, the arguments by name");
  }
}

}  // namespace

Order Order::read(const std::string& body, const Header& header, const Schema& schema,
                  const std::string& method) {
  if (!body.empty() && !header("Content-Type").starts_with("application/json")) {
    throw problem_of(415, "bad_request", "the arguments have to be JSON: say Content-Type: application/json");
  }
  Order order;
  read_arguments(body, schema, method, order);
  if (const auto text = header("Samovar-Timeout"); !text.empty()) {
    order.timeout = tools::parse_duration(text);
    if (!order.timeout) throw bad("Samovar-Timeout: '" + text + "' is no duration, like 500ms or 2s");
  }
  order.idempotent.on = is_on(header("Samovar-Idempotent"), "Samovar-Idempotent");
  if (const auto text = header("Samovar-Priority"); !text.empty()) order.priority = priority_of(text);
  order.traceparent = header("traceparent");
  order.affinity = header("Samovar-Affinity");
  return order;
}

}  // namespace samovar::http
