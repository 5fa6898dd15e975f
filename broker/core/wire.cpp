#include "broker/core/wire.hpp"

#include <utility>

#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

using proto::Kind;

// May this kind of message come in on this side?
bool belongs(Side side, std::uint64_t kind) {
  if (kind > static_cast<std::uint64_t>(Kind::brokers)) return false;
  switch (static_cast<Kind>(kind)) {
    case Kind::hello: return true;
    case Kind::request:
    case Kind::window:
    case Kind::drained:
    case Kind::cancel: return side == Side::frontend;
    case Kind::reply:
    case Kind::items:
    case Kind::ready:
    case Kind::drain:
    case Kind::pool:
    case Kind::obituary:
    case Kind::command_done:
    case Kind::brokers: return side == Side::backend;
    default: return false;
  }
}

}  // namespace

void Wire::refuse(Side side, PeerId peer, std::string_view why, TimePoint now) {
  core_.handle(event::Malformed{side, peer, std::string(why)}, now);
}

void Wire::receive(Side side, PeerId peer, const FramePtr& frame, Frames attachments, TimePoint now) {
  const std::string_view bytes = frame->bytes();
  proto::Head head;
  if (auto why = proto::decode_head(bytes, head)) return refuse(side, peer, why, now);
  if (head.version > limits::kMaxPrefixInteger)
    return refuse(side, peer, "the version is above 2^53 - 1", now);
  if (head.version != proto::kVersion) {
    return core_.handle(event::Malformed{side, peer, "unknown version", head.version}, now);
  }
  if (!belongs(side, head.kind)) {
    return refuse(side, peer, "a message of kind " + std::to_string(head.kind) + " has no place here", now);
  }
  const auto kind = static_cast<Kind>(head.kind);
  const auto epoch = static_cast<Epoch>(head.epoch);
  if (kind == Kind::request) return receive_requests(peer, epoch, frame, attachments, now);
  if (kind == Kind::reply) return receive_replies(peer, epoch, frame, attachments, now);
  if (kind == Kind::items) return receive_items(peer, epoch, frame, attachments, now);
  if (!attachments.empty()) return refuse(side, peer, "a control message has attachments", now);

  // Decodes into `value`, and hands the event on when that worked.
  const auto pass = [&](auto value, auto make_event) {
    if (auto why = proto::decode(bytes, value)) return refuse(side, peer, why, now);
    core_.handle(make_event(std::move(value)), now);
  };
  switch (kind) {
    case Kind::hello:
      return pass(proto::PeerHello{}, [&](auto hello) { return event::Hello{side, peer, std::move(hello)}; });
    case Kind::ready:
      return pass(proto::Ready{}, [&](auto ready) { return event::Ready{peer, epoch, std::move(ready)}; });
    case Kind::pool:
      return pass(proto::Pool{}, [&](auto pool) { return event::Pool{peer, epoch, std::move(pool)}; });
    case Kind::obituary:
      return pass(proto::Obituary{}, [&](auto text) {
        return event::Obituary{peer, epoch, std::move(text)};
      });
    case Kind::command_done:
      return pass(proto::CommandDone{}, [&](auto done) {
        return event::CommandDone{peer, epoch, std::move(done)};
      });
    case Kind::drained: return pass(proto::Notice{}, [&](auto) { return event::Drained{peer, epoch}; });
    case Kind::brokers:
      return pass(proto::Brokers{}, [&](auto serves) { return event::Brokers{peer, epoch, serves.brokers}; });
    case Kind::drain: return pass(proto::Notice{}, [&](auto) { return event::Drain{peer, epoch}; });
    case Kind::window: {
      std::vector<proto::Window> windows;
      if (auto why = proto::decode_windows(bytes, windows)) return refuse(side, peer, why, now);
      return core_.handle(event::Windows{peer, epoch, windows}, now);
    }
    default: {
      std::vector<std::uint64_t> ids;
      if (auto why = proto::decode_ids(bytes, ids)) return refuse(side, peer, why, now);
      core_.handle(event::Cancel{peer, epoch, ids}, now);
    }
  }
}

void Wire::receive_requests(PeerId peer, Epoch epoch, const FramePtr& frame, Frames& attachments,
                            TimePoint now) {
  std::uint64_t sent_us = 0;
  if (auto why = proto::decode_requests(frame->bytes(), attachments.size(), sent_us, requests_)) {
    return refuse(Side::frontend, peer, why, now);
  }
  core_.handle(event::Requests{peer, epoch, sent_us, requests_, frame, std::move(attachments)}, now);
}

void Wire::receive_replies(PeerId peer, Epoch epoch, const FramePtr& frame, Frames& attachments,
                           TimePoint now) {
  if (auto why = proto::decode_replies(frame->bytes(), attachments.size(), replies_)) {
    return refuse(Side::backend, peer, why, now);
  }
  core_.handle(event::Replies{peer, epoch, replies_, std::move(attachments)}, now);
}

void Wire::receive_items(PeerId peer, Epoch epoch, const FramePtr& frame, Frames& attachments,
                         TimePoint now) {
  if (auto why = proto::decode_items(frame->bytes(), attachments.size(), items_)) {
    return refuse(Side::backend, peer, why, now);
  }
  core_.handle(event::Items{peer, epoch, items_, std::move(attachments)}, now);
}

}  // namespace samovar::broker
