// One call on its way, as the session sees it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/detail/outcome.hpp>
#include <samovar/options.hpp>

namespace samovar::client {

// Monotonic, and the clock of `sent_us` on the wire.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

using detail::Outcome;

// Names a call while it is outstanding; never 0. Goes over the wire as the request's id.
enum class CallId : std::uint64_t {};

// The id of what the session asks for itself (a schema's declaration, a ping): nobody waits for its reply.
inline constexpr CallId kOwn{0};

// One of the client's connections, each to a broker: small numbers, which are used again when a connection is given up.
enum class LinkId : std::uint32_t {};

inline constexpr std::size_t index_of(LinkId link) {
  return static_cast<std::size_t>(link);
}

// How often a call is made, at most, and how long it waits in between.
struct Tries {
  std::uint8_t max_attempts = 1;
  Duration backoff{};  // before the second attempt; doubled before each one after that
  Duration max_backoff{};
};

// The session shares the call from submit() to its completion, and reads but does not change what the caller set.
struct Call {
  std::string method;
  std::string tail;  // msgpack: args, kwargs and ext, as in proto::RequestItem::tail
  std::vector<Buffer> attachments;
  std::uint32_t flags = 0;  // proto::Flags
  // Where `own_timeout` is false: until when it waits for a broker. Once it is sent, the broker sets the deadline.
  TimePoint deadline{};
  bool own_timeout = true;
  const Schema* schema = nullptr;  // that its caller was built against: the broker is told before
  Tries retry;
  Duration hedge_after{};   // 0: never. For calls that are idempotent, and no stream
  std::uint64_t items = 0;  // of a stream: how many have come; kept by the session

  CallId id{};  // set by the session in submit(); kept afterwards
};
using CallPtr = std::shared_ptr<Call>;

// Bytes of its body, attachments included.
inline std::size_t size_of(const Call& call) {
  std::size_t size = call.tail.size();
  for (const auto& attachment : call.attachments) size += attachment.size();
  return size;
}

// The end of a call; or an item of a stream, which has a value and attachments only.
struct Completion {
  CallPtr call;
  Outcome outcome;
  bool is_item = false;
};

}  // namespace samovar::client
