// What travels: kinds of message, and the items of a bundle as views into the frame that holds them.
// See PROTOCOL.md, sections 3 and 4.
#pragma once

#include <cstdint>
#include <string_view>

#include <samovar/status.hpp>

namespace samovar::proto {

inline constexpr std::uint64_t kVersion = 1;

enum class Kind : std::uint8_t {
  hello = 1,
  request = 2,
  reply = 3,
  cancel = 4,
  ready = 5,
  register_again = 6,
  drain = 7,
  drained = 8,
  pool = 9,
  obituary = 10,
  probe = 11,
  protocol_error = 12,
  items = 13,
  window = 14,
  command = 15,
  command_done = 16,
  brokers = 17,
};

enum Flags : std::uint32_t {
  kIdempotent = 1u << 0,
  kMetadata = 1u << 1,
  kStream = 1u << 2,
  kReplay = 1u << 3,
};

enum class Priority : std::uint8_t { urgent = 0, normal = 1, bulk = 2 };
inline constexpr std::size_t kPriorities = 3;

// Items that a stream may send before its reader has said how many it takes, and the most that it can begin with.
inline constexpr std::uint32_t kDefaultWindow = 16;
inline constexpr std::uint32_t kMaxWindow = 1024;

// The first three elements of every message.
struct Head {
  std::uint64_t version = 0;
  std::uint64_t kind = 0;  // as sent: may be none of Kind
  std::uint64_t epoch = 0;
};

// One request of a bundle. Views borrow the frame that was decoded.
struct RequestItem {
  std::uint64_t id = 0;
  std::uint8_t attempt = 1;
  std::uint32_t flags = 0;
  std::uint64_t timeout_us = 0;
  std::string_view method;  // "service.method"
  std::string_view body;    // msgpack: args and kwargs, one after the other
  std::string_view ext;     // msgpack: map or nil
  std::uint32_t attachments = 0;
  Priority priority = Priority::normal;
  bool has_priority = false;              // ext says so
  std::uint32_t window = kDefaultWindow;  // of a stream
  std::uint64_t schema = 0;               // the hash of what the caller was built against; 0: it does not say
  std::string_view traceparent;           // W3C; empty: the call is not traced
  std::string_view affinity;              // calls with an equal one prefer the same worker; empty: none
  const char* wrong = nullptr;            // well-formed but not acceptable: why; id is valid

  // args, kwargs and ext are neighbours on the wire, and are handed on as one piece.
  std::string_view tail() const { return {body.data(), body.size() + ext.size()}; }
};

// One reply of a bundle. Views borrow the frame that was decoded.
struct ReplyItem {
  std::uint64_t id = 0;
  std::uint8_t attempt = 1;
  Status status = Status::ok;
  std::uint64_t run_us = 0;
  std::string_view value;  // msgpack: the result, or the map of an error
  std::string_view ext;    // msgpack: map or nil
  std::uint32_t attachments = 0;

  std::string_view tail() const { return {value.data(), value.size() + ext.size()}; }
};

// One item of a stream. Views borrow the frame that was decoded.
struct StreamItem {
  std::uint64_t id = 0;
  std::uint8_t attempt = 1;
  std::uint64_t seq = 0;
  std::string_view value;  // msgpack
  std::string_view ext;    // msgpack: map or nil
  std::uint32_t attachments = 0;

  std::string_view tail() const { return {value.data(), value.size() + ext.size()}; }
};

// How many items of a stream its reader takes, counted from the stream's start.
struct Window {
  std::uint64_t id = 0;
  std::uint64_t window = 0;
};

}  // namespace samovar::proto
