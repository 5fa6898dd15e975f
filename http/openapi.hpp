// What can be called over HTTP, as OpenAPI 3.1 says it.
#pragma once

#include <string>
#include <vector>

#include "http/schema.hpp"

namespace samovar::http {

// A service with the names of its methods, those without a schema too.
struct Described {
  std::string service;
  std::vector<std::string> methods;
  Schema schema;
};

// `with_token`: callers have to say one.
tools::Json openapi_of(const std::vector<Described>& services, const std::string& version, bool with_token);

}  // namespace samovar::http
