// How a call ended, before its result is decoded. Not for users.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/status.hpp>

namespace samovar::detail {

struct Outcome {
  Status status = Status::internal;
  std::uint8_t attempt = 0;  // the one that produced this outcome; 0: none was sent
  std::uint64_t run_us = 0;
  Buffer value;  // msgpack: the result, or the map of an error
  Buffer ext;    // msgpack: a map, or empty
  std::vector<Buffer> attachments;
  const std::string* endpoint =
      nullptr;  // of the broker that had the call, last; null: none had. Lives as long as the client
};

// An outcome with what a message about it has to name.
struct Reply {
  Outcome outcome;
  std::string method;
  std::string_view endpoint;  // all of the client's, which outlives this; Outcome::endpoint goes before
  bool idempotent = false;
};

}  // namespace samovar::detail
