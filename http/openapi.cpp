#include "http/openapi.hpp"

#include <utility>

namespace samovar::http {
namespace {

using tools::Json;

const std::string kDefinitions = "#/$defs/";
const std::string kComponents = "#/components/schemas/";

// References to a service's definitions lead to components, which all services share: under "service.Name".
Json renamed(Json schema, const std::string& service) {
  if (schema.is_object() && schema.contains("$ref") && schema["$ref"].is_string()) {
    const auto name = schema["$ref"].get<std::string>();
    if (name.starts_with(kDefinitions))
      schema["$ref"] = kComponents + service + '.' + name.substr(kDefinitions.size());
  }
  if (schema.is_structured()) {
    for (auto& part : schema) part = renamed(std::move(part), service);
  }
  return schema;
}

Json problem_schema() {
  const auto text = Json{{"type", "string"}};
  return {{"type", "object"},
          {"description", "By RFC 9457; `code` says what a caller may do next."},
          {"properties",
           {{"type", text},
            {"title", text},
            {"status", {{"type", "integer"}}},
            {"detail", text},
            {"code", text},
            {"where", text},
            {"method", text},
            {"exception", text},
            {"retryable", {{"type", "boolean"}}},
            {"retry_after_s", {{"type", "number"}}}}},
          {"required", {"status", "code", "detail", "retryable"}}};
}

// Arguments by name, or in their order.
Json body_schema(const Json& method, const std::string& service) {
  if (method.is_null()) {
    return {{"anyOf", {{{"type", "array"}}, {{"type", "object"}}}},
            {"description", "The arguments, or those by name; nothing more is known of them."}};
  }
  Json fields = Json::object();
  Json required = Json::array();
  Json places = Json::array();
  std::size_t needed_places = 0;
  bool by_name = true;
  bool by_place = true;
  for (const auto& parameter : method.value("parameters", Json::array())) {
    Json schema = renamed(parameter.value("schema", Json::object()), service);
    if (parameter.contains("default")) schema["default"] = parameter["default"];
    const bool is_needed = parameter.value("required", false);
    if (parameter.value("keyword_only", false)) {
      by_place = by_place && !is_needed;
    } else {
      places.push_back(schema);
      needed_places += is_needed;
    }
    if (parameter.value("positional_only", false)) {
      by_name = by_name && !is_needed;
      continue;
    }
    fields[parameter.value("name", "")] = std::move(schema);
    if (is_needed) required.push_back(parameter.value("name", ""));
  }
  Json object{{"type", "object"}, {"properties", fields}};
  if (!required.empty()) object["required"] = required;
  object["additionalProperties"] =
      method.contains("kwargs") ? renamed(method["kwargs"], service) : Json(false);
  Json array{{"type", "array"}, {"minItems", needed_places}};
  if (!places.empty()) array["prefixItems"] = places;
  if (method.contains("args")) {
    array["items"] = renamed(method["args"], service);
  } else {
    array["maxItems"] = places.size();
  }
  if (!by_name) return array;
  if (!by_place) return object;
  return {{"anyOf", {object, array}}};
}

Json header(const char* name, const char* description, Json schema) {
  return {{"name", name}, {"in", "header"}, {"description", description}, {"schema", std::move(schema)}};
}

Json operation_of(const Json& method, const std::string& service, const std::string& name) {
  const bool streams = method.is_object() && method.value("stream", false);
  const Json result =
      renamed(method.is_null() ? Json::object() : method.value("result", Json::object()), service);
  Json content;
  if (streams) {
    content["text/event-stream"] = {
        {"schema",
         {{"type", "string"}, {"contentMediaType", "application/json"}, {"contentSchema", result}}}};
  } else {
    content["application/json"] = {{"schema", result}};
  }
  Json operation{{"operationId", service + '.' + name}, {"tags", {service}}};
  if (method.is_object() && method.contains("description")) operation["description"] = method["description"];
  operation["parameters"] = {{{"$ref", "#/components/parameters/timeout"}},
                             {{"$ref", "#/components/parameters/idempotent"}},
                             {{"$ref", "#/components/parameters/priority"}},
                             {{"$ref", "#/components/parameters/affinity"}}};
  operation["requestBody"] = {
      {"content", {{"application/json", {{"schema", body_schema(method, service)}}}}}};
  operation["responses"] = {
      {"200",
       {{"description",
         streams ? "Each item as an event; then `end`, or `error` with a problem." : "The result."},
        {"content", content}}},
      {"default", {{"$ref", "#/components/responses/problem"}}}};
  return operation;
}

}  // namespace

Json openapi_of(const std::vector<Described>& services, const std::string& version, bool with_token) {
  Json paths = Json::object();
  Json schemas{{"Problem", problem_schema()}};
  for (const auto& [service, methods, schema] : services) {
    const Json definitions =
        schema.document().is_object() ? schema.document().value("$defs", Json::object()) : Json::object();
    for (const auto& [name, definition] : definitions.items())
      schemas[std::string(service).append(1, '.').append(name)] = renamed(definition, service);
    for (const auto& name : methods) {
      const Json& method = schema.method(name);
      const bool streams = method.is_object() && method.value("stream", false);
      std::string path = streams ? "/v1/stream/" : "/v1/call/";
      path.append(service).append(1, '.').append(name);
      paths[path]["post"] = operation_of(method, service, name);
    }
  }
  Json components{
      {"schemas", schemas},
      {"parameters",
       {{"timeout", header("Samovar-Timeout", "Like 500ms or 2s; else the method's.", {{"type", "string"}})},
        {"idempotent",
         header("Samovar-Idempotent", "It may run twice, after a loss.", {{"enum", {"true", "false"}}})},
        {"priority", header("Samovar-Priority", "Which queued calls go first.",
                            {{"enum", {"urgent", "normal", "bulk"}}})},
        {"affinity", header("Samovar-Affinity", "Calls with the same key prefer the same worker.",
                            {{"type", "string"}})}}},
      {"responses",
       {{"problem",
         {{"description", "It has failed."},
          {"content",
           {{"application/problem+json", {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}}}}}};
  Json document{{"openapi", "3.1.0"},
                {"info", {{"title", "Services at this samovard"}, {"version", version}}},
                {"paths", paths}};
  if (with_token) {
    components["securitySchemes"] = {{"token", {{"type", "http"}, {"scheme", "bearer"}}}};
    document["security"] = Json::array({{{"token", Json::array()}}});
  }
  document["components"] = components;
  return document;
}

}  // namespace samovar::http
