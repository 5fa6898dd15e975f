// Why a call did not give a result.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <samovar/status.hpp>

namespace samovar {

namespace detail {
struct Reply;
}

// Thrown by Client::call and Future::get, and held by a failed Result. what() reads
// "worker_lost: the worker was killed by signal 9 (ipgeo.country at tcp://127.0.0.1:7711)".
// Copies share their content.
class Error : public std::runtime_error {
 public:
  struct Details {
    std::string message;  // one sentence for a person
    std::string
        where;  // "client", "queued", "running", "worker" or "broker": where the call was when it ended
    std::string type;       // app_error: the exception's type, e.g. "ValueError"
    std::string traceback;  // app_error: Python's, unless the worker hides it
    std::optional<std::chrono::microseconds> retry_after;  // overloaded: how long to wait
    std::optional<std::uint64_t> pid;                      // worker_lost: the process that died
    std::optional<std::uint64_t> signal;                   // worker_lost: what ended it
    std::optional<std::uint64_t> exit_code;                // worker_lost: when no signal ended it
    std::string stderr_lines;                              // worker_lost: the last lines that it wrote
    std::string stack;  // worker_lost: where its Python code was, when its supervisor killed it
    std::string method;
    std::string endpoint;
  };

  Error(Status code, Details details, bool may_run_twice = false);

  Status code() const noexcept { return code_; }
  // Whether the same call may be made again: nothing ran, or it was marked samovar::idempotent. For `overloaded`
  // after details().retry_after.
  bool retryable() const noexcept { return retryable_; }

  const std::string& message() const noexcept { return details_->message; }
  const std::string& where() const noexcept { return details_->where; }
  const Details& details() const noexcept { return *details_; }

 private:
  Status code_;
  bool retryable_;
  std::shared_ptr<const Details> details_;
};

namespace detail {
Error make_error(const Reply& reply);
// A result that is not what the caller asked for: bad_request, where "client". `reply` may be null.
Error make_misfit(const Reply* reply, std::string_view wanted, std::string_view got);
}  // namespace detail

}  // namespace samovar
