// The schema of a service (docs/stubs.md), as HTTP uses it: bytes and points in time are text where the schema says so.
#pragma once

#include <string>

#include "tools/common/arguments.hpp"

namespace samovar::http {

class Schema {
 public:
  using Json = tools::Json;

  // As samovar.schema gives it; null: nothing is known.
  explicit Schema(Json document) : document_(std::move(document)) {}

  const Json& document() const { return document_; }
  // What is known of a method; null: nothing.
  const Json& method(const std::string& name) const;

  // Arguments, an array or an object by name: base64 becomes bytes, and text a point in time. Throws
  // Problem where it is none.
  void read_arguments(const std::string& name, Json& arguments) const;
  // A result or an item of a stream, {"$bytes": ...} and {"$timestamp": ...} become text.
  void show_result(const std::string& name, Json& result) const;

 private:
  Json document_;
};

}  // namespace samovar::http
