// One request, from its acceptance until it is forgotten.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/list.hpp"
#include "broker/core/timers.hpp"
#include "broker/core/types.hpp"
#include "proto/message.hpp"

namespace samovar::broker {

struct Client;
struct Method;
struct Service;
struct Worker;

// What of a request is handed on unread: args, kwargs and ext. Small ones are copied out of their frame, since
// a small message would pin a far larger read buffer of the transport while it is queued.
class Payload {
 public:
  static constexpr std::size_t kCopyBelow = 16 * 1024;

  Payload() = default;
  // `frame` owns `bytes`; null when the caller keeps it for the length of this call only.
  Payload(std::string_view bytes, FramePtr frame) {
    if (frame && bytes.size() >= kCopyBelow) {
      frame_ = std::move(frame);
      shared_ = bytes;
    } else {
      copy_.assign(bytes);
    }
  }

  std::string_view view() const { return frame_ ? shared_ : std::string_view(copy_); }

 private:
  std::string copy_;
  FramePtr frame_;
  std::string_view shared_;
};

struct Request {
  enum class State : std::uint8_t {
    queued,     // in its service's queue
    in_flight,  // with a worker, its caller waits
    abandoned,  // with a worker, its caller has heard; it still takes credit
  };

  State state = State::queued;
  std::uint8_t attempt = 1;
  std::uint8_t runs = 0;  // attempts that may have run
  bool idempotent = false;
  std::uint32_t flags = 0;
  proto::Priority priority = proto::Priority::normal;

  std::uint64_t id = 0;      // the caller's
  Client* client = nullptr;  // null once the caller has heard or is gone
  Service* service = nullptr;
  Method* method = nullptr;  // null until a worker of the service has announced its methods
  std::string name;          // "service.method"

  Payload payload;
  Frames attachments;
  std::size_t bytes = 0;  // payload and attachments

  TimePoint accepted{};
  TimePoint queued_since{};
  TimePoint dispatched{};
  TimePoint deadline{};
  Timer timer{Timer::Kind::request, this};

  Worker* worker = nullptr;  // in flight and abandoned
  DispatchId dispatch_id{};
  double charged_us = 0;  // estimated work that its worker was charged with

  Link<Request> in_queue;
  Link<Request> at_worker;
};

}  // namespace samovar::broker
