// The connections that a driver drives, by the session's links: the seam between the client and its sockets. One thread at
// a time uses it, but for wake(). Nothing here waits but wait().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <samovar/buffer.hpp>

#include "client/call.hpp"
#include "client/session.hpp"

namespace samovar::client {

struct Incoming {
  Buffer frame;
  std::vector<Buffer> attachments;
};

class Transport {
 public:
  enum class Event : std::uint8_t {
    connected,
    disconnected,
    handshake_failed,  // something else than a broker, or one whose key is another
    refused,           // the broker does not know this key
    wants_key,         // the broker has a key, this side has none
    takes_no_key,      // the other way around
  };
  struct Readiness {
    bool in = false;
    bool out = false;
  };

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  // Starts to connect, in the background. Throws std::invalid_argument when the endpoint is none, and std::runtime_error when
  // the system refuses sockets.
  virtual void open(LinkId link, const std::string& endpoint) = 0;
  virtual void close(LinkId link) = 0;

  // False when there is nothing. An event may show only after the next wait(), or, where nobody
  // waits, limits::kLookForEvents later.
  virtual bool receive(LinkId link, Incoming& message) = 0;
  virtual bool next_event(LinkId link, Event& event) = 0;

  // By message.link. False when the message was not taken, since there is no connection or its queue is full. Its content is
  // then unspecified.
  virtual bool send(Message& message) = 0;
  virtual Readiness readiness(LinkId link) = 0;

  // Until there may be something to receive, an event, room to send after a refusal, or wake(); or until that time.
  // To be called only after receive() and next_event() gave nothing, with no send in between.
  virtual void wait(std::optional<TimePoint> until) = 0;

  // Ends the present or the next wait(). From any thread, also after close_all().
  virtual void wake() noexcept = 0;

  // Drops all connections. Only wake() may be called afterwards.
  virtual void close_all() = 0;
};

}  // namespace samovar::client
