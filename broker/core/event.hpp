// What can happen to the core. Views and references live for the call of handle() only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/core/grant.hpp"
#include "broker/core/quarantine.hpp"
#include "broker/core/types.hpp"
#include "proto/control.hpp"
#include "proto/message.hpp"

namespace samovar::broker::event {

struct Hello {
  Side side;
  PeerId peer;
  proto::PeerHello hello;
};

// What a peer may do from now on: told before its first message, and when the list of keys changes. Null: nothing, its key
// is not there any more. Only where CoreConfig::secured.
struct Granted {
  Side side;
  PeerId peer;
  GrantPtr grant;
};

// A bundle. The attachments are those of all items, in their order.
struct Requests {
  PeerId peer;
  Epoch epoch;
  std::uint64_t sent_us;
  const std::vector<proto::RequestItem>& items;
  const FramePtr& frame;  // owns the items' bytes; null: they are to be copied
  Frames attachments;
};

struct Replies {
  PeerId peer;
  Epoch epoch;
  const std::vector<proto::ReplyItem>& items;
  Frames attachments;
};

// A bundle of items of streams.
struct Items {
  PeerId peer;
  Epoch epoch;
  const std::vector<proto::StreamItem>& items;
  Frames attachments;
};

struct Windows {
  PeerId peer;
  Epoch epoch;
  const std::vector<proto::Window>& windows;
};

struct Cancel {
  PeerId peer;
  Epoch epoch;
  const std::vector<std::uint64_t>& ids;
};

struct Ready {
  PeerId peer;
  Epoch epoch;
  proto::Ready ready;
};

struct Drain {
  PeerId peer;
  Epoch epoch;
};

// How many brokers a worker serves now.
struct Brokers {
  PeerId peer;
  Epoch epoch;
  std::uint32_t count;
};

// A client's answer to DRAIN: it sends no more requests.
struct Drained {
  PeerId peer;
  Epoch epoch;
};

struct Pool {
  PeerId peer;
  Epoch epoch;
  proto::Pool pool;
};

struct Obituary {
  PeerId peer;
  Epoch epoch;
  proto::Obituary obituary;
};

struct CommandDone {
  PeerId peer;
  Epoch epoch;
  proto::CommandDone done;
};

// A request that take_poisoned() gave has been saved.
struct PoisonSaved {
  RequestKey key;
  std::string file;
};

// What time it is for people: microseconds since 1970. Told at the start, and now and then.
struct WallClock {
  std::uint64_t us;
};

// The connection is proved to be gone: nothing more comes from it.
struct PeerLost {
  PeerId peer;
};

// A message that was refused as a whole.
struct Malformed {
  Side side;
  PeerId peer;
  std::string why;
  std::optional<std::uint64_t> got_version = {};  // a version that is not spoken
};

// A pool that this broker starts by itself (configured) has no supervisor to speak for it: say why.
struct PoolFailed {
  std::string service;
  std::string why;  // empty: it is being started again
};

// Handshakes of peers whose key is not allowed.
struct HandshakesRefused {
  std::uint64_t count;
};

// How many there are, and how many were closed at once, since the beginning, because there were too many.
struct Connections {
  std::size_t open;
  std::uint64_t refused;
  bool operator==(const Connections&) const = default;
};

// Replies that did not leave: their client does not read, or has gone.
struct RepliesDropped {
  std::uint64_t count;
};

// Items of these streams did not leave, since their client does not read.
struct ItemsDropped {
  PeerId peer;
  const std::vector<std::uint64_t>& ids;  // the client's own
};

// Finish what runs, refuse the rest.
struct Shutdown {};

}  // namespace samovar::broker::event
