#include <utility>

#include <samovar/error.hpp>
#include <samovar/result.hpp>

#include "proto/control.hpp"

namespace samovar {
namespace {

// "word: message (method at endpoint)".
std::string describe(Status code, const Error::Details& details) {
  std::string text(to_word(code));
  text += ": " + details.message;
  if (details.method.empty()) return text;
  text += " (" + details.method;
  const auto first = details.endpoint.substr(0, details.endpoint.find(','));
  if (!first.empty() && details.message.find(first) == std::string::npos) {
    text += " at " + details.endpoint;
  }
  return text + ")";
}

bool may_retry(Status code, bool may_run_twice) {
  switch (info(code).retry) {
    case Retry::yes: return true;
    case Retry::if_idempotent: return may_run_twice;
    case Retry::no: break;
  }
  return false;
}

std::string_view endpoint_of(const detail::Reply& reply) {
  return reply.outcome.endpoint ? *reply.outcome.endpoint : reply.endpoint;
}

}  // namespace

Error::Error(Status code, Details details, bool may_run_twice)
    : std::runtime_error(describe(code, details)),
      code_(code),
      retryable_(may_retry(code, may_run_twice)),
      details_(std::make_shared<const Details>(std::move(details))) {}

namespace detail {

Error make_error(const Reply& reply) {
  proto::ErrorValue value;
  if (proto::decode_error(reply.outcome.value.bytes(), value) != nullptr) {
    value.message = "(the error came without a message)";
  }
  Error::Details details;
  details.message = std::move(value.message);
  details.where = std::move(value.where);
  details.type = std::move(value.type);
  details.traceback = std::move(value.traceback);
  if (value.retry_after_us) details.retry_after = std::chrono::microseconds(*value.retry_after_us);
  details.pid = value.pid;
  details.signal = value.signal;
  details.exit_code = value.exit_code;
  details.stderr_lines = std::move(value.stderr_lines);
  details.stack = std::move(value.stack);
  details.method = reply.method;
  details.endpoint = endpoint_of(reply);
  return {reply.outcome.status, std::move(details), reply.idempotent};
}

Error make_misfit(const Reply* reply, std::string_view wanted, std::string_view got) {
  Error::Details details;
  details.message = "the result is " + std::string(got) + ", which does not fit " + std::string(wanted);
  details.where = "client";
  if (reply != nullptr) {
    details.method = reply->method;
    details.endpoint = endpoint_of(*reply);
  }
  return {Status::bad_request, std::move(details)};
}

Metadata read_metadata(const Outcome& outcome) {
  Metadata metadata;
  metadata.attempt = outcome.attempt;
  metadata.running = std::chrono::microseconds(outcome.run_us);
  if (outcome.ext.empty()) return metadata;
  const Unpacked ext(outcome.ext.bytes());
  if (ext.object().type != msgpack::type::MAP) return metadata;
  for (const auto& [key, value] : std::span(ext.object().via.map.ptr, ext.object().via.map.size)) {
    if (key.type != msgpack::type::STR) continue;
    const std::string_view name(key.via.str.ptr, key.via.str.size);
    if (name == "queued_us" && value.type == msgpack::type::POSITIVE_INTEGER) {
      metadata.queued = std::chrono::microseconds(value.via.u64);
    } else if (name == "worker" && value.type == msgpack::type::STR) {
      metadata.worker.assign(value.via.str.ptr, value.via.str.size);
    }
  }
  return metadata;
}

}  // namespace detail
}  // namespace samovar
