// What may stand among the arguments of a call, in any order, to say how it is to be made:
//
//   client.call<Words>("segment.cut", text, samovar::kw("hmm", false), samovar::timeout(50ms), samovar::idempotent);
//
// Options are told from arguments by their type.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/executor.hpp>

namespace samovar {

struct Timeout {
  std::chrono::microseconds value;
};

// The time from now to the call's end, whatever happens. Without it: ClientOptions::timeout, else the method's. More than 24 hours
// are taken as 24 hours.
template <typename Rep, typename Period>
constexpr Timeout timeout(std::chrono::duration<Rep, Period> value) {
  using namespace std::chrono_literals;
  constexpr auto longest = std::chrono::duration_cast<std::chrono::microseconds>(24h);
  // Compared as floating-point hours, so that no unit can overflow.
  if (std::chrono::duration<double, std::ratio<3600>>(value) >= 24h) return {longest};
  return {std::chrono::ceil<std::chrono::microseconds>(value)};
}

// The call may run more than once: it is sent again when its worker or its broker is lost, within its timeout.
struct Idempotent {
  bool on = true;
};
inline constexpr Idempotent idempotent{};

// The call is made again, up to so many times in all, when it failed and may be repeated: `unavailable` and `overloaded` (nothing
// ran), and with samovar::idempotent also `worker_lost`. Never beyond its timeout (without one: 30 s), and of all calls of a
// client not more than ClientOptions::retry_budget. Between two attempts it waits for `backoff`, doubled each time, up to
// `max_backoff`, each time a random share between a half and all of it; after `overloaded` also for what the broker asks.
struct RetryPolicy {
  int max_attempts = 3;
  std::chrono::microseconds backoff = std::chrono::milliseconds(10);
  std::chrono::microseconds max_backoff = std::chrono::seconds(1);
};
constexpr RetryPolicy retry(int max_attempts) {
  RetryPolicy policy;
  policy.max_attempts = max_attempts;
  return policy;
}
constexpr RetryPolicy retry(RetryPolicy policy) {
  return policy;
}

// The call is made a second time when it has no outcome after so long, beside the first: the first of the two that has an answer
// gives it, the other one is cancelled. For calls with samovar::idempotent only (else bad_request), and no streams; within
// ClientOptions::retry_budget. It helps against a worker that is slow now and then, where others are free. It does not help
// where all are busy: there the second one waits behind the first.
struct Hedge {
  std::chrono::microseconds after;
};
template <typename Rep, typename Period>
constexpr Hedge hedge(std::chrono::duration<Rep, Period> after) {
  return {timeout(after).value};  // as long as a timeout may be
}

// The result shall carry metadata: Result::metadata().
struct WantMetadata {
  bool on = true;
};
inline constexpr WantMetadata metadata{};

// The W3C trace context that the call is part of, "00-TRACE-PARENT-01": the handler sees it, and a broker that sends traces tells
// where the call's time went. Borrows: for use inside the call expression only. Empty: none.
struct TraceParent {
  std::string_view value;
};
constexpr TraceParent traceparent(std::string_view value) {
  return {value};
}

// Calls with the same key go to the same worker, at whatever broker, as long as that one lives and has room: for handlers that
// keep something about what they have seen. Where it is busy, the next one in the key's own order of workers runs the call at once.
// Borrows: for use inside the call expression only. Empty: none.
struct Affinity {
  std::string_view key;
};
constexpr Affinity affinity(std::string_view key) {
  return {key};
}

// The call is run although the broker refuses such ones, since they were running when workers died.
struct Replay {
  bool on = true;
};

// What generated stubs were made of: the schema of a service as msgpack, without descriptions, and its hash (PROTOCOL.md
// 4.9). Lives as long as the program.
struct Schema {
  std::uint64_t hash;
  std::string_view packed;
};

// The call ends as `schema_mismatch` when the method's types have changed so that it would do harm.
struct BuiltAgainst {
  const Schema* schema;
};
constexpr BuiltAgainst built_against(const Schema& schema) {
  return {&schema};
}

// How many items of a stream may be under way to a reader that has not taken them yet: 1 to 1,024. A stream without it
// has 16. For streams only.
struct Window {
  std::uint32_t items;
};
constexpr Window window(std::uint32_t items) {
  return {items < 1 ? 1 : items > 1024 ? 1024 : items};
}

// Which queued calls of a service go first.
enum class Priority : std::uint8_t { urgent = 0, normal = 1, bulk = 2 };
namespace priority {
inline constexpr Priority urgent = Priority::urgent;
inline constexpr Priority normal = Priority::normal;
inline constexpr Priority bulk = Priority::bulk;
}  // namespace priority

// A keyword argument. Holds references: for use inside the call expression only.
template <typename T>
struct Keyword {
  std::string_view name;
  const T& value;
};

template <typename T>
constexpr Keyword<T> kw(std::string_view name, const T& value) {
  return {name, value};
}

// An argument that goes as bytes, not as text. Borrows them: for use inside the call expression only.
// (std::vector<char>, std::vector<std::uint8_t>, std::vector<std::byte> and spans of bytes are bytes by themselves;
// std::string, std::string_view and const char* are text.)
struct Bytes {
  std::string_view bytes;
};
constexpr Bytes bytes(std::string_view value) {
  return {value};
}

// A large buffer that travels beside the arguments and is never scanned or copied on its way. The handler gets
// the call's attachments in the order in which they stand here.
struct Attachment {
  Buffer buffer;
};

// Copies.
inline Attachment attachment(std::string_view data) {
  return {Buffer(std::string(data))};
}
inline Attachment attachment(const char* text) {
  return attachment(std::string_view(text));
}
inline Attachment attachment(std::span<const std::byte> data) {
  return attachment(std::string_view(reinterpret_cast<const char*>(data.data()), data.size()));
}
inline Attachment attachment(std::span<const std::uint8_t> data) {
  return attachment(std::as_bytes(data));
}
// Take the bytes over, or share them: no copy.
inline Attachment attachment(std::string&& data) {
  return {Buffer(std::move(data))};
}
template <typename Byte>
requires(sizeof(Byte) == 1) Attachment attachment(std::vector<Byte>&& data) {
  auto owner = std::make_shared<const std::vector<Byte>>(std::move(data));
  const std::string_view view(reinterpret_cast<const char*>(owner->data()), owner->size());
  return {Buffer(std::move(owner), view)};
}
inline Attachment attachment(Buffer data) {
  return {std::move(data)};
}

// All arguments at once, as msgpack made elsewhere: an array, and a map with str keys (empty: none). Stands
// in place of the arguments. Borrows: for use inside the call expression only.
struct Packed {
  std::string_view args;
  std::string_view kwargs;
};
constexpr Packed packed(std::string_view args, std::string_view kwargs = {}) {
  return {args, kwargs};
}

}  // namespace samovar
