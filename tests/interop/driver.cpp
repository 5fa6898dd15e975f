// One cell of table.json by the C++ client: samovar-interop ENDPOINT CELL [FILE]; says its outcome as one line of JSON. Cancels when
// FILE is there. tests/e2e/test_made_again.py asks it as well, with `idempotent`, `retry`, `retry_budget` and `hedge_ms`.
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <samovar/array.hpp>
#include <samovar/client.hpp>

#include "tools/common/arguments.hpp"

namespace {

using samovar::tools::Json;
using Doubles = samovar::Array<double>;
using namespace std::chrono_literals;

// What the table says in place of what JSON cannot; bytes are the tools' own.
Json given(const Json& value) {
  if (value.is_array()) {
    Json all = Json::array();
    for (const auto& each : value) all.push_back(given(each));
    return all;
  }
  if (!value.is_object()) return value;
  if (value.contains("$float")) return std::nan("");
  if (value.contains("$timestamp")) {
    std::tm time{};
    strptime(value["$timestamp"].get<std::string>().c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
    const auto seconds = static_cast<std::uint32_t>(timegm(&time));
    std::vector<std::uint8_t> bytes;
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(seconds >> shift));
    return Json::binary(bytes, 0xff);  // msgpack's type -1
  }
  Json all = Json::object();
  for (const auto& [key, each] : value.items()) all[key] = given(each);
  return all;
}

std::string packed(const Json& value) {
  return samovar::tools::to_msgpack(given(samovar::tools::parse_argument(value.dump())));
}

void tell(Json& answer, const samovar::Error& error) {
  answer["code"] = samovar::to_word(error.code());
  answer["where"] = error.where();
  answer["type"] = error.details().type;
}

template <typename T>
void finish(Json& answer, samovar::Future<T> future, const char* go) {
  if (go != nullptr) {
    while (!std::filesystem::exists(go) && !future.wait_for(5ms)) {
    }
    if (!future.ready()) future.cancel();
  }
  const auto result = future.result();
  answer["attempt"] = result.metadata().attempt;
  if (!result.ok()) return tell(answer, result.error());
  if constexpr (std::is_same_v<T, Doubles>) {
    const std::vector<double> elements(result->elements().begin(), result->elements().end());
    answer["value"]["$array"] = {result->shape(), elements};
  } else {
    answer["value"] = Json::parse(result->to_json());
  }
  answer["replies"] = Json::array();
  for (const auto& each : result.attachments()) answer["replies"].push_back(std::string(each.bytes()));
}

samovar::ClientOptions options_of(const Json& cell) {
  samovar::ClientOptions options;
  if (cell.contains("timeout_ms")) options.timeout = std::chrono::milliseconds(cell["timeout_ms"].get<int>());
  if (cell.contains("retry")) {
    options.retry.max_attempts = cell["retry"]["max_attempts"].get<int>();
    options.retry.backoff = options.retry.max_backoff =
        std::chrono::milliseconds(cell["retry"]["backoff_ms"].get<int>());
  }
  options.retry_budget = cell.value("retry_budget", options.retry_budget);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const Json cell = Json::parse(argv[2]);
  const char* const go = argc > 3 ? argv[3] : nullptr;
  Json args = cell.value("args", Json::array());
  if (cell.contains("big")) args = Json::array({std::string(cell["big"].get<std::size_t>(), 'x')});
  const auto method = cell["method"].get<std::string>();
  const auto body = packed(args);
  const auto kwargs = cell.contains("kwargs") ? packed(cell["kwargs"]) : std::string();
  std::vector<samovar::Attachment> attachments;
  for (const auto& each : cell.value("attachments", std::vector<std::string>())) {
    attachments.push_back(samovar::attachment(each));
  }
  std::string types;
  std::optional<samovar::Schema> schema;
  if (cell.contains("schema")) {
    types = samovar::tools::to_msgpack(cell["schema"]);
    schema = {cell["schema"]["hash"].get<std::uint64_t>(), types};
  }
  samovar::Client client{argv[1], options_of(cell)};
  Json answer = Json::object();
  if (cell.value("stream", false)) {
    answer["items"] = Json::array();
    try {
      for (const auto& item :
           client.stream(method, samovar::packed(body, kwargs), samovar::window(cell.value("window", 16u)))) {
        answer["items"].push_back(Json::parse(item.to_json()));
        if (answer["items"].size() == cell.value("take", std::size_t{0})) break;
      }
    } catch (const samovar::Error& error) {
      tell(answer, error);
    }
  } else if (method.ends_with(".doubled")) {
    const auto& array = cell["args"][0]["$array"];
    finish(answer,
           client.async_call<Doubles>(method, Doubles(array[1].get<std::vector<double>>(),
                                                      array[0].get<std::vector<std::size_t>>())),
           go);
  } else if (cell.contains("hedge_ms")) {
    const auto after = samovar::hedge(std::chrono::milliseconds(cell["hedge_ms"].get<int>()));
    finish(answer, client.async_call(method, samovar::packed(body, kwargs), samovar::idempotent, after), go);
  } else {
    finish(answer,
           client.async_call(method, samovar::packed(body, kwargs), attachments,
                             samovar::Idempotent{cell.value("idempotent", false)},
                             samovar::BuiltAgainst{schema ? &*schema : nullptr}),
           go);
  }
  std::cout << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}
