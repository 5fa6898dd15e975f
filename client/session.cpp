#include "client/session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "proto/limits.hpp"

namespace samovar::client {
namespace {

constexpr auto kNone = CallTable::kNone;

}  // namespace

Session::Session(SessionConfig config)
    : config_(std::move(config)),
      random_(config_.nonce_seed),
      table_(config_.id_seed),
      budget_(config_.retry_budget) {}

// --- the connections -----------------------------------------------------------------------------------

LinkId Session::add_link(const std::string& endpoint) {
  auto free = std::find(links_.begin(), links_.end(), nullptr);
  if (free == links_.end()) {
    assert(links_.size() < limits::kMaxLinks);
    free = links_.emplace(free);
  }
  const auto id = static_cast<LinkId>(free - links_.begin());
  const auto seed = config_.nonce_seed + (random_.next() & 0xffff'ffff) * links_.size();
  *free = std::make_unique<Link>(id, endpoint, count_ == 0 ? config_.nonce_seed : seed);
  table_.make_room_for(id);
  ++count_;
  return id;
}

void Session::retire(LinkId link) {
  if (std::exchange(at(link).retiring, true)) return;
  --count_;
}

bool Session::is_over(LinkId link) const {
  const Link& it = at(link);
  return it.retiring && table_.sent(link) == 0 && (it.state != LinkState::ready || it.cancels.empty());
}

void Session::remove_link(LinkId link) {
  assert(is_over(link));
  links_[index_of(link)].reset();
}

void Session::connected(LinkId id, TimePoint now) {
  Link& link = at(id);
  const bool held = link.state == LinkState::ready;
  link.handshake_failed = false;
  link.last_malformed.clear();
  link.greet(now);
  if (held) lose(link, "its connection was made anew", now);
}

void Session::disconnected(LinkId id, TimePoint now) {
  Link& link = at(id);
  const bool held = link.state == LinkState::ready;
  link.disconnect();
  if (held) lose(link, "its connection broke", now);
}

// The epoch is over: what was sent under it ends, or waits again where its caller allowed that.
void Session::lose(Link& link, std::string_view why, TimePoint now) {
  taken_ = Taken::nothing;
  if (!link.draining) failed(link, now);
  const std::string message =
      "the broker went away while it held the call (" + std::string(why) + "): it may have run";
  std::vector<CallTable::Slot> left;  // to a second one, which is lost now
  for (auto slot = table_.first_sent(link.id); slot != kNone;) {
    const auto next = table_.next(slot);
    const auto& entry = table_[slot];
    if (entry.is_hedge) {  // its first one is sent again, alone
      const auto first = entry.twin;
      drop_hedge(slot);
      if (table_[first].state == CallState::resting) left.push_back(first);
      slot = next;
      continue;
    }
    if (entry.twin != kNone && table_[entry.twin].state == CallState::sent &&
        table_[entry.twin].link != link.id) {  // another broker has the second one
      disarm_hedge(slot);
      table_[slot].lost = Status::broker_lost;
      table_.mark_resting(slot);
      slot = next;
      continue;
    }
    const bool again =
        (entry.call->flags & proto::kIdempotent) != 0 && entry.attempts < 255 && entry.call->items == 0;
    if (!again) fail(slot, Status::broker_lost, message);
    slot = next;
  }
  const auto wait = [&](CallTable::Slot slot) {
    const auto& call = *table_[slot].call;
    table_[slot].lost = Status::broker_lost;
    wait_again(slot, call.own_timeout ? call.deadline : now + limits::kBrokerWait);
  };
  for (const auto slot : left) wait(slot);
  // From the last to the first, so that the oldest is again the first that waits.
  while (table_.last_sent(link.id) != kNone) wait(table_.last_sent(link.id));
  link.forget();
  end_hopeless(now);
}

// It gets no calls for a while, where others can. Once for all that it lets down until it has answered again.
void Session::failed(Link& link, TimePoint now) {
  if (several() && link.health.trusted()) link.health.failed(now, random_.jitter());
}

void Session::refuse(Link& link, Status status, const std::string& why, TimePoint now) {
  link.state = LinkState::refused;
  link.refuse(status, why);
  end_hopeless(now);
}

void Session::unauthorized(LinkId id, const std::string& why, TimePoint now) {
  Link& link = at(id);
  if (link.state != LinkState::disconnected) return;
  link.refuse(Status::unauthorized, "the broker at " + link.endpoint + " " + why, now + limits::kRefusedFor);
  end_hopeless(now);
}

// Why no call can be sent for now, if so: what holds for all links, of the first that merely goes away, or else of the first.
std::optional<Hopeless> Session::hopeless(TimePoint now) const {
  std::optional<Hopeless> found;
  for (const auto& link : links_) {
    if (!link || link->retiring) continue;
    auto why = link->hopeless(now);
    if (!why) return std::nullopt;
    if (!found || (why->status == Status::unavailable && found->status != Status::unavailable))
      found = std::move(why);
  }
  return found;
}

void Session::malformed(Link& link, std::string why) {
  ++counters_.malformed;
  link.last_malformed = std::move(why);
}

void Session::end_sent(Link& link, Status status, const std::string& why) {
  link.forget();
  taken_ = Taken::nothing;
  while (table_.first_sent(link.id) != kNone) fail(table_.first_sent(link.id), status, why);
}

void Session::end_hopeless(TimePoint now) {
  if (table_.first_waiting() == kNone) return;
  const auto end = hopeless(now);
  if (!end) return;
  while (table_.first_waiting() != kNone) {
    const auto slot = table_.first_waiting();
    if (end->status == Status::unavailable) {
      end_unsent(slot, end->why, now);
    } else {
      fail(slot, end->status, end->why);
    }
  }
}

// --- messages ------------------------------------------------------------------------------------------

void Session::message(LinkId id, const Buffer& frame, std::span<const Buffer> attachments, TimePoint now) {
  Link& link = at(id);
  proto::Head head;
  if (const auto* why = proto::decode_head(frame.bytes(), head)) return malformed(link, why);
  if (head.version != proto::kVersion) {
    return malformed(link, "it speaks version " + std::to_string(head.version) +
                               " of the protocol, this client version " + std::to_string(proto::kVersion));
  }
  const auto kind = static_cast<proto::Kind>(head.kind);
  if (kind == proto::Kind::reply) return on_reply(link, head, frame, attachments, now);
  if (kind == proto::Kind::items) return on_items(link, head, frame, attachments);
  if (!attachments.empty())
    return malformed(link, "attachments follow a message that is neither REPLY nor ITEMS");
  switch (kind) {
    case proto::Kind::hello: return on_hello(link, head, frame.bytes());
    case proto::Kind::register_again: return on_register_again(link, now);
    case proto::Kind::drain: return on_drain(link, head, frame.bytes(), now);
    case proto::Kind::protocol_error: return on_protocol_error(link, frame.bytes(), now);
    case proto::Kind::probe: return;
    default: return malformed(link, "kind " + std::to_string(head.kind) + " is not for clients");
  }
}

void Session::on_hello(Link& link, const proto::Head& head, std::string_view frame) {
  proto::BrokerHello hello;
  if (const auto* why = proto::decode(frame, hello)) return malformed(link, why);
  if (head.epoch == 0) return malformed(link, "a HELLO gives no epoch");
  if (!link.welcome(head.epoch, std::move(hello))) ++counters_.stale_messages;
}

void Session::on_register_again(Link& link, TimePoint now) {
  if (link.state != LinkState::ready) {
    ++counters_.stale_messages;
    return;
  }
  link.greet(now);
  lose(link, "it does not know this connection any more", now);
}

void Session::on_drain(Link& link, const proto::Head& head, std::string_view frame, TimePoint now) {
  proto::Notice notice;
  if (const auto* why = proto::decode(frame, notice)) return malformed(link, why);
  if (is_stale(link, head)) return;
  link.draining = true;
  link.drained_pending = notice.answer;
  end_hopeless(now);
}

// What is not of the link's present epoch is counted.
bool Session::is_stale(const Link& link, const proto::Head& head) {
  if (link.state == LinkState::ready && head.epoch == link.epoch) return false;
  ++counters_.stale_messages;
  return true;
}

// The call that was sent there under this id, or kNone, which is counted.
CallTable::Slot Session::find(const Link& link, std::uint64_t id, std::uint8_t attempt) {
  const auto slot = table_.find(CallId{id});
  if (slot != kNone) {
    const auto& entry = table_[slot];
    if (entry.state == CallState::sent && entry.link == link.id && attempt >= entry.attempts) return slot;
  }
  ++counters_.late_replies;
  return kNone;
}

void Session::on_reply(Link& link, const proto::Head& head, const Buffer& frame,
                       std::span<const Buffer> attachments, TimePoint now) {
  if (is_stale(link, head)) return;
  if (const auto* why = proto::decode_replies(frame.bytes(), attachments.size(), items_)) {
    return malformed(link, why);
  }
  link.health.answered();
  for (const auto& item : items_) {
    const auto mine = attachments.first(item.attachments);
    attachments = attachments.subspan(item.attachments);
    if (CallId{item.id} == kOwn) continue;
    const auto slot = find(link, item.id, item.attempt);
    if (slot == kNone) continue;
    if (several() && item.status == Status::ok) link.health.took(now - table_[slot].sent_at, now);
    Outcome outcome;
    outcome.status = item.status;
    outcome.attempt = item.attempt;
    outcome.run_us = item.run_us;
    outcome.value = frame.slice(item.value);
    if (item.ext != proto::kNil) outcome.ext = frame.slice(item.ext);
    outcome.attachments.assign(mine.begin(), mine.end());
    outcome.endpoint = &link.endpoint;
    end_attempt(slot, std::move(outcome), now);
  }
}

void Session::on_items(Link& link, const proto::Head& head, const Buffer& frame,
                       std::span<const Buffer> attachments) {
  if (is_stale(link, head)) return;
  if (const auto* why = proto::decode_items(frame.bytes(), attachments.size(), stream_items_)) {
    return malformed(link, why);
  }
  link.health.answered();
  for (const auto& item : stream_items_) {
    const auto mine = attachments.first(item.attachments);
    attachments = attachments.subspan(item.attachments);
    const auto slot = find(link, item.id, item.attempt);
    if (slot == kNone) continue;
    Call& call = *table_[slot].call;
    if ((call.flags & proto::kStream) == 0) {
      ++counters_.late_replies;
      continue;
    }
    if (item.seq != call.items) {
      send_cancel(slot);
      fail(slot, Status::protocol_error,
           "item " + std::to_string(item.seq) + " of the stream came where item " +
               std::to_string(call.items) + " was due");
      continue;
    }
    ++call.items;
    ++counters_.items;
    auto& arrival = completions_.emplace_back();
    arrival.call = table_[slot].call;
    arrival.is_item = true;
    arrival.outcome.status = Status::ok;
    arrival.outcome.attempt = item.attempt;
    arrival.outcome.value = frame.slice(item.value);
    arrival.outcome.attachments.assign(mine.begin(), mine.end());
    arrival.outcome.endpoint = &link.endpoint;
  }
}

void Session::on_protocol_error(Link& link, std::string_view frame, TimePoint now) {
  proto::ProtocolError error;
  if (const auto* why = proto::decode(frame, error)) return malformed(link, why);
  ++counters_.protocol_errors;
  const Status status = error.unauthorized ? Status::unauthorized : Status::protocol_error;
  const std::string message = "the broker refused what this client sent: " + error.message;
  if (link.state == LinkState::greeting && !link.hello_pending) {
    refuse(link, status, message, now);
  } else if (link.state == LinkState::ready) {
    end_sent(link, status, message);  // a whole message was refused, and nothing says which
  } else {
    ++counters_.stale_messages;
  }
}

}  // namespace samovar::client
