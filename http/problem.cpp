#include "http/problem.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

namespace samovar::http {

using Json = nlohmann::ordered_json;

int http_status(Status status) {
  switch (status) {
    case Status::ok: return 200;
    case Status::app_error:
    case Status::internal: return 500;
    case Status::bad_request: return 400;
    case Status::no_service: return 404;
    case Status::unavailable: return 503;
    case Status::overloaded: return 429;
    case Status::deadline_exceeded: return 504;
    case Status::worker_lost:
    case Status::broker_lost:
    case Status::protocol_error: return 502;
    case Status::cancelled: return 499;  // nginx's: the caller has gone
    case Status::too_large: return 413;
    case Status::unauthorized: return 403;
    case Status::schema_mismatch: return 409;
  }
  return 500;
}

Problem problem_of(const Error& error) {
  const auto& details = error.details();
  Json body{{"type", "about:blank"},
            {"title", std::string(to_word(error.code()))},
            {"status", http_status(error.code())},
            {"detail", details.message},
            {"code", std::string(to_word(error.code()))},
            {"where", details.where},
            {"method", details.method},
            {"retryable", error.retryable()}};
  Problem problem{http_status(error.code()), "", std::nullopt};
  if (!details.type.empty()) body["exception"] = details.type;
  if (details.retry_after) {
    body["retry_after_s"] = std::chrono::duration<double>(*details.retry_after).count();
    problem.retry_after_s =
        std::max(1, static_cast<int>(std::chrono::ceil<std::chrono::seconds>(*details.retry_after).count()));
  }
  problem.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return problem;
}

Problem problem_of(int status, std::string code, std::string detail) {
  const Json body{{"type", "about:blank"}, {"title", code},           {"status", status},
                  {"detail", detail},      {"code", std::move(code)}, {"retryable", false}};
  return {status, body.dump(-1, ' ', false, Json::error_handler_t::replace), std::nullopt};
}

}  // namespace samovar::http
