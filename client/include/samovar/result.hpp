// A call's outcome as a value: the result, or an Error.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/detail/decode.hpp>
#include <samovar/detail/outcome.hpp>
#include <samovar/error.hpp>
#include <samovar/value.hpp>

namespace samovar {

// What the broker knows about a call; complete for calls with samovar::metadata only.
struct Metadata {
  std::optional<std::chrono::microseconds> queued;  // in the broker's queue
  std::chrono::microseconds running{};              // in the handler; 0 when nothing ran
  std::string worker;                               // who ran it
  int attempt = 0;                                  // which try ended the call; 0 when none was sent
  std::string endpoint;                             // of the broker that answered
};

namespace detail {
Metadata read_metadata(const Outcome& outcome);
}

// What all results have, whatever their type.
class ResultBase {
 public:
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  Status status() const { return error_ ? error_->code() : Status::ok; }

  // Only when !ok().
  const Error& error() const { return error_.value(); }

  Metadata metadata() const {
    auto found = detail::read_metadata(outcome_);
    if (endpoint_) found.endpoint = *endpoint_;
    return found;
  }
  // The attachments of the reply. They share the memory of the received message: no copy.
  const std::vector<Buffer>& attachments() const { return outcome_.attachments; }

 protected:
  explicit ResultBase(Error error) : error_(std::move(error)) {}
  // Leaves `reply` usable for decoding.
  explicit ResultBase(detail::Reply& reply) {
    if (reply.outcome.status != Status::ok) error_.emplace(detail::make_error(reply));
  }
  // But for the bytes of the result, which may lie in a message of a thousand.
  void keep(detail::Reply& reply) {
    reply.outcome.value = {};
    outcome_ = std::move(reply.outcome);
    if (outcome_.endpoint && !outcome_.ext.empty())
      endpoint_ = std::make_shared<const std::string>(*outcome_.endpoint);  // the client may go before this
    outcome_.endpoint = nullptr;
  }
  void throw_if_failed() const {
    if (error_) throw Error(*error_);
  }

  std::optional<Error> error_;
  detail::Outcome outcome_;
  std::shared_ptr<const std::string> endpoint_;  // for metadata() only
};

// Decoded by the thread that constructs it: the one that waits for the call, or the client's own for callbacks.
template <typename T>
class Result : public ResultBase {
 public:
  explicit Result(detail::Reply&& reply) : ResultBase(reply) {
    if (!error_) decode(reply);
    keep(reply);
  }

  // Throw the Error when there is no result.
  const T& value() const& { return throw_if_failed(), *value_; }
  T& value() & { return throw_if_failed(), *value_; }
  T value() && { return throw_if_failed(), std::move(*value_); }
  T value_or(T other) const { return value_ ? *value_ : std::move(other); }

  // Only when ok().
  const T& operator*() const { return *value_; }
  const T* operator->() const { return &*value_; }

 private:
  void decode(const detail::Reply& reply) {
    if constexpr (std::is_same_v<T, Value>) {
      value_.emplace(Value::parse(reply.outcome.value));
    } else {
      const detail::Unpacked unpacked(reply.outcome.value.bytes());
      try {
        value_.emplace(detail::convert<T>(unpacked.object(), &reply));
      } catch (const Error& misfit) {
        error_.emplace(misfit);
      }
    }
  }

  std::optional<T> value_;
};

// The result itself, if there is one, is ignored.
template <>
class Result<void> : public ResultBase {
 public:
  explicit Result(detail::Reply&& reply) : ResultBase(reply) { keep(reply); }
  explicit Result(Error error) : ResultBase(std::move(error)) {}
  void value() const { throw_if_failed(); }
};

}  // namespace samovar
