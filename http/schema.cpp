#include "http/schema.hpp"

#include <string_view>
#include <utility>

#include "http/problem.hpp"
#include "http/timestamp.hpp"

namespace samovar::http {
namespace {

using tools::Json;

constexpr std::string_view kDefinitions = "#/$defs/";

const Json kNull = nullptr;

const Json& at(const Json& map, const char* key) {
  const auto found = map.is_object() ? map.find(key) : map.end();
  return map.is_object() && found != map.end() ? *found : kNull;
}

// What stands alone under this key: the form in which JSON has what it has no word for.
const Json& marked(const Json& value, const char* key) {
  return value.is_object() && value.size() == 1 ? at(value, key) : kNull;
}

// Reads one value, or shows one: both go where the schema leads.
class Walk {
 public:
  enum class Way { read, show };

  Walk(const Json& document, Way way) : definitions_(at(document, "$defs")), way_(way) {}

  // `where` names the value in a complaint.
  void value(const Json& given, Json& value, const std::string& where) const {
    const Json& schema = resolved(given);
    if (!schema.is_object()) return;
    if (const Json& choices = at(schema, "anyOf"); choices.is_array()) return choice(choices, value, where);
    typed(schema, value, where);
  }

 private:
  void typed(const Json& schema, Json& value, const std::string& where) const {
    if (at(schema, "type") == "string") return text(schema, value, where);
    if (value.is_array()) return elements(schema, value, where);
    if (value.is_object()) fields(schema, value, where);
  }

  const Json& resolved(const Json& schema) const {
    const Json& reference = at(schema, "$ref");
    if (!reference.is_string()) return schema;
    const std::string name = reference.get<std::string>();
    return name.starts_with(kDefinitions) ? at(definitions_, name.substr(kDefinitions.size()).c_str())
                                          : kNull;
  }

  void text(const Json& schema, Json& value, const std::string& where) const {
    if (way_ == Way::show) {
      for (const char* key : {"$bytes", "$timestamp"}) {
        if (const Json& shown = marked(value, key); shown.is_string()) {
          value = Json(shown);
          return;
        }
      }
    } else if (value.is_string() && at(schema, "contentEncoding") == "base64") {
      auto bytes = tools::decode_base64(value.get<std::string>());
      if (!bytes) throw problem_of(400, "bad_request", where + " has to be bytes in base64");
      value = Json::binary(std::move(*bytes));
    } else if (value.is_string() && at(schema, "format") == "date-time") {
      auto time = read_timestamp(value.get<std::string>());
      if (!time) throw problem_of(400, "bad_request", where + " has to be a time like 2026-11-24T19:38:42Z");
      value = std::move(*time);
    }
  }

  // The first that the value is like. What that has of choices is no matter: they could lead back here.
  void choice(const Json& choices, Json& value, const std::string& where) const {
    for (const auto& each : choices) {
      const Json& schema = resolved(each);
      if (is_like(schema, value)) return typed(schema, value, where);
    }
  }

  bool is_like(const Json& schema, const Json& value) const {
    const Json& type = at(schema, "type");
    if (type == "string") {
      return value.is_string() || marked(value, "$bytes").is_string() ||
             marked(value, "$timestamp").is_string();
    }
    if (type == "array") return value.is_array();
    if (type != "object" || !value.is_object()) return false;
    for (const auto& name : at(schema, "required")) {
      if (!name.is_string() || !value.contains(name.get<std::string>())) return false;
    }
    return true;
  }

  void elements(const Json& schema, Json& list, const std::string& where) const {
    const Json& first = at(schema, "prefixItems");
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Json& own = first.is_array() && i < first.size() ? first[i] : at(schema, "items");
      value(own, list[i], where + '[' + std::to_string(i) + ']');
    }
  }

  void fields(const Json& schema, Json& map, const std::string& where) const {
    const Json& known = at(schema, "properties");
    for (const auto& [name, field] : map.items()) {
      const Json& own = at(known, name.c_str());
      value(own.is_null() ? at(schema, "additionalProperties") : own, field,
            std::string(where).append(1, '.').append(name));
    }
  }

  const Json& definitions_;
  const Way way_;
};

// Of an argument by its place or its name.
const Json& schema_of(const Json& method, std::size_t place, const std::string& name) {
  std::size_t here = 0;
  for (const auto& parameter : at(method, "parameters")) {
    const bool by_place = at(parameter, "keyword_only") != true;
    if (name.empty() ? by_place && here++ == place : at(parameter, "name") == name)
      return at(parameter, "schema");
  }
  return at(method, name.empty() ? "args" : "kwargs");
}

}  // namespace

const Json& Schema::method(const std::string& name) const {
  return at(at(document_, "methods"), name.c_str());
}

void Schema::read_arguments(const std::string& name, Json& arguments) const {
  const Json& known = method(name);
  if (known.is_null()) return;
  const Walk walk(document_, Walk::Way::read);
  for (std::size_t i = 0; arguments.is_array() && i < arguments.size(); ++i)
    walk.value(schema_of(known, i, ""), arguments[i], "argument " + std::to_string(i + 1));
  if (!arguments.is_object()) return;
  for (const auto& [key, value] : arguments.items())
    walk.value(schema_of(known, 0, key), value, "argument '" + key + '\'');
}

void Schema::show_result(const std::string& name, Json& result) const {
  const Json& known = method(name);
  if (!known.is_null()) Walk(document_, Walk::Way::show).value(at(known, "result"), result, "the result");
}

}  // namespace samovar::http
