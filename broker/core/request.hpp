// One request, from its acceptance until it is forgotten. They are recycled, and kept small: a million may be queued.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "broker/core/list.hpp"
#include "broker/core/stream.hpp"
#include "broker/core/timers.hpp"
#include "broker/core/types.hpp"
#include "proto/message.hpp"

namespace samovar::broker {

struct Client;
struct Flight;
struct Method;
struct Service;
struct Worker;

// What of a request is handed on unread: args, kwargs and ext, and its attachments. Small bodies are copied out of their
// frame, since a small message would pin a far larger read buffer of the transport while it is queued.
class Payload {
 public:
  static constexpr std::size_t kCopyBelow = 16 * 1024;

  // `frame` owns `bytes`; null when the caller keeps it for the length of this call only.
  void set(std::string_view bytes, const FramePtr& frame, const Frames& attachments) {
    if ((frame && bytes.size() >= kCopyBelow) || !attachments.empty()) {
      large_ = std::make_unique<Large>(Large{frame, bytes, attachments});
      if (frame && bytes.size() >= kCopyBelow) return;
    }
    if (bytes.size() > capacity_) {
      capacity_ = static_cast<std::uint32_t>(bytes.size());
      copy_ = std::make_unique_for_overwrite<char[]>(capacity_);
    }
    size_ = static_cast<std::uint32_t>(bytes.copy(copy_.get(), bytes.size()));
    if (large_) large_->bytes = {copy_.get(), size_};
  }

  // Keeps a small buffer for the next one.
  void clear() {
    large_.reset();
    size_ = 0;
    if (capacity_ > kKeptBytes) {
      copy_.reset();
      capacity_ = 0;
    }
  }

  std::string_view view() const { return large_ ? large_->bytes : std::string_view(copy_.get(), size_); }
  const Frames& attachments() const {
    static const Frames none;
    return large_ ? large_->attachments : none;
  }
  std::size_t bytes() const { return large_ ? large_->bytes.size() + bytes_of(large_->attachments) : size_; }

 private:
  static constexpr std::uint32_t kKeptBytes = 256;

  struct Large {
    FramePtr frame;
    std::string_view bytes;
    Frames attachments;
  };

  std::unique_ptr<char[]> copy_;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  std::unique_ptr<Large> large_;
};

struct Request {
  enum class State : std::uint8_t {
    queued,     // in its service's queue
    in_flight,  // with a worker, its caller waits
    abandoned,  // with a worker, its caller has heard; it still takes credit
    following,  // an equal one runs or is queued, and its outcome is that of this one too (flight.hpp)
    commanded,  // a call of the broker itself: supervisors do it (errand.hpp)
  };

  State state = State::queued;
  std::uint8_t attempt = 1;
  std::uint8_t runs = 0;  // attempts that may have run
  bool idempotent = false;
  bool default_timeout = false;   // the caller gave none
  bool default_priority = false;  // likewise
  proto::Priority priority = proto::Priority::normal;
  std::uint32_t flags = 0;
  float charged_us = 0;  // estimated work: that its queue, then its worker is charged with

  std::uint64_t id = 0;      // the caller's
  Client* client = nullptr;  // null once the caller has heard or is gone
  Service* service = nullptr;
  Method* method = nullptr;           // null until a worker of the service has announced its methods
  std::unique_ptr<std::string> name;  // "service.method", where the method is not known

  std::unique_ptr<Stream> stream;  // of requests with the flag `stream` only

  Payload payload;

  TimePoint queued_since{};
  TimePoint deadline{};
  Timer timer{Timer::Kind::request, this};
  std::uint32_t queued_us = 0;  // when dispatched: how long it was queued
  float timeout_us = 0;         // from its acceptance to its deadline, for messages

  Worker* worker = nullptr;  // in flight and abandoned
  DispatchId dispatch_id{};
  Link<Request> link;          // in the queue, among those that its worker holds, or among followers
  std::uint64_t affinity = 0;  // hash of the key that ext gives; 0: none
  Flight* flight = nullptr;    // of a pure method: that which it leads or follows
};

}  // namespace samovar::broker
