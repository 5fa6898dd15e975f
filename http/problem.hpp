// Errors as HTTP has them: a status, and a body by RFC 9457 (application/problem+json).
#pragma once

#include <optional>
#include <string>

#include <samovar/error.hpp>

namespace samovar::http {

struct Problem {
  int status;
  std::string body;
  std::optional<int> retry_after_s;  // for the header Retry-After
};

int http_status(Status status);
// `code` and the other words are those of PROTOCOL.md, section 1. The traceback stays behind.
Problem problem_of(const Error& error);
// What never reached the broker.
Problem problem_of(int status, std::string code, std::string detail);

}  // namespace samovar::http
