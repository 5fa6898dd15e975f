// How a call is to be made, as an HTTP request says it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include <samovar/options.hpp>

#include "http/problem.hpp"
#include "http/schema.hpp"

namespace samovar::http {

struct Order {
  // The value of a header; empty: it is not there.
  using Header = std::function<std::string(const char*)>;

  std::string args;  // in msgpack, as the keyword arguments
  std::string kwargs;
  std::optional<std::chrono::microseconds> timeout;
  Idempotent idempotent{false};
  std::optional<Priority> priority;
  std::string traceparent;  // W3C; empty: none
  std::string affinity;     // likewise

  // A body that is a JSON array has the arguments, an object has those by name. Throws Problem for what is wrong.
  // `schema` is that of the method's service.
  static Order read(const std::string& body, const Header& header, const Schema& schema,
                    const std::string& method);

  // Makes the call with the options that were said.
  template <typename Make>
  auto with_options(const Make& make) const {
    const auto body = packed(args, kwargs);
    const auto trace = samovar::traceparent(traceparent);
    const auto key = samovar::affinity(affinity);
    if (timeout && priority) return make(body, idempotent, trace, key, samovar::timeout(*timeout), *priority);
    if (timeout) return make(body, idempotent, trace, key, samovar::timeout(*timeout));
    if (priority) return make(body, idempotent, trace, key, *priority);
    return make(body, idempotent, trace, key);
  }
};

}  // namespace samovar::http
