#include "client/session.hpp"

#include <algorithm>
#include <utility>

#include "proto/limits.hpp"

namespace samovar::client {
namespace {

constexpr auto kNone = CallTable::kNone;

}  // namespace

Session::Session(SessionConfig config)
    : config_(std::move(config)),
      nonce_(config_.nonce_seed),
      table_(config_.id_seed),
      budget_(config_.retry_budget, config_.nonce_seed) {}

// --- the connection ------------------------------------------------------------------------------------

void Session::connected(TimePoint now) {
  if (state_ == SessionState::ready) lose("its connection was made anew", now);
  handshake_failed_ = false;
  refusal_.clear();
  last_malformed_.clear();
  greet(now);
}

void Session::disconnected(TimePoint now) {
  if (state_ == SessionState::ready) lose("its connection broke", now);
  state_ = SessionState::disconnected;
  hello_pending_ = false;
}

void Session::greet(TimePoint now) {
  state_ = SessionState::greeting;
  epoch_ = 0;
  refusal_.clear();
  nonce_ = (nonce_ + 1) & samovar::limits::kMaxPrefixInteger;
  hello_pending_ = true;
  hello_again_at_ = now + limits::kHelloAgain;
}

// The epoch is over: what was sent under it ends, or waits again where its caller allowed that.
void Session::lose(std::string_view why, TimePoint now) {
  cancels_.clear();
  windows_.clear();
  taken_ = Taken::nothing;
  const std::string message =
      "the broker went away while it held the call (" + std::string(why) + "): it may have run";
  std::vector<CallTable::Slot> left;  // to a second one, which is lost now
  for (auto slot = table_.first_sent(); slot != kNone;) {
    const auto next = table_.next(slot);
    const auto& entry = table_[slot];
    if (entry.is_hedge) {  // its first one is sent again, alone
      const auto first = entry.twin;
      drop_hedge(slot);
      if (table_[first].state == CallState::resting) left.push_back(first);
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
  while (table_.last_sent() != kNone) wait(table_.last_sent());
}

void Session::refuse(Status status, const std::string& why) {
  state_ = SessionState::refused;
  refused_as_ = status;
  refusal_ = why;
  end_waiting(status, why);
}

void Session::unauthorized(const std::string& why, TimePoint now) {
  if (state_ != SessionState::disconnected) return;
  refused_as_ = Status::unauthorized;
  refused_until_ = now + limits::kRefusedFor;
  refusal_ = "the broker at " + config_.endpoint + " " + why;
  end_waiting(Status::unauthorized, refusal_);
}

void Session::malformed(std::string why) {
  ++counters_.malformed;
  last_malformed_ = std::move(why);
}

void Session::end_sent(Status status, const std::string& why) {
  cancels_.clear();
  windows_.clear();
  taken_ = Taken::nothing;
  while (table_.first_sent() != kNone) fail(table_.first_sent(), status, why);
}

void Session::end_waiting(Status status, const std::string& why) {
  while (table_.first_waiting() != kNone) fail(table_.first_waiting(), status, why);
}

// --- messages ------------------------------------------------------------------------------------------

void Session::message(const Buffer& frame, std::span<const Buffer> attachments, TimePoint now) {
  proto::Head head;
  if (const auto* why = proto::decode_head(frame.bytes(), head)) return malformed(why);
  if (head.version != proto::kVersion) {
    return malformed("it speaks version " + std::to_string(head.version) +
                     " of the protocol, this client version " + std::to_string(proto::kVersion));
  }
  const auto kind = static_cast<proto::Kind>(head.kind);
  if (kind == proto::Kind::reply) return on_reply(head, frame, attachments, now);
  if (kind == proto::Kind::items) return on_items(head, frame, attachments);
  if (!attachments.empty()) return malformed("attachments follow a message that is neither REPLY nor ITEMS");
  switch (kind) {
    case proto::Kind::hello: return on_hello(head, frame.bytes());
    case proto::Kind::register_again: return on_register_again(now);
    case proto::Kind::drain: return on_drain(head, now);
    case proto::Kind::protocol_error: return on_protocol_error(frame.bytes());
    case proto::Kind::probe: return;
    default: return malformed("kind " + std::to_string(head.kind) + " is not for clients");
  }
}

void Session::on_hello(const proto::Head& head, std::string_view frame) {
  proto::BrokerHello hello;
  if (const auto* why = proto::decode(frame, hello)) return malformed(why);
  if (head.epoch == 0) return malformed("a HELLO gives no epoch");
  if (state_ != SessionState::greeting || hello_pending_ || hello.nonce != nonce_) {
    ++counters_.stale_messages;
    return;
  }
  broker_ = std::move(hello);
  broker_.max_bundle =
      std::clamp<std::uint64_t>(broker_.max_bundle, 1, std::uint64_t{samovar::limits::kMaxBundle});
  epoch_ = head.epoch;
  draining_ = false;
  declared_.clear();
  state_ = SessionState::ready;
}

void Session::on_register_again(TimePoint now) {
  if (state_ != SessionState::ready) {
    ++counters_.stale_messages;
    return;
  }
  lose("it does not know this connection any more", now);
  greet(now);
}

void Session::on_drain(const proto::Head& head, TimePoint now) {
  if (state_ != SessionState::ready || head.epoch != epoch_) {
    ++counters_.stale_messages;
    return;
  }
  draining_ = true;
  while (table_.first_waiting() != kNone) {
    const auto slot = table_.first_waiting();
    end_unsent(slot, now);
  }
}

void Session::on_reply(const proto::Head& head, const Buffer& frame, std::span<const Buffer> attachments,
                       TimePoint now) {
  if (state_ != SessionState::ready || head.epoch != epoch_) {
    ++counters_.stale_messages;
    return;
  }
  if (const auto* why = proto::decode_replies(frame.bytes(), attachments.size(), items_)) {
    return malformed(why);
  }
  for (const auto& item : items_) {
    const auto mine = attachments.first(item.attachments);
    attachments = attachments.subspan(item.attachments);
    if (CallId{item.id} == kDeclaration) continue;
    const auto slot = table_.find(CallId{item.id});
    if (slot == kNone || table_[slot].state != CallState::sent || item.attempt < table_[slot].attempts) {
      ++counters_.late_replies;
      continue;
    }
    Outcome outcome;
    outcome.status = item.status;
    outcome.attempt = item.attempt;
    outcome.run_us = item.run_us;
    outcome.value = frame.slice(item.value);
    if (item.ext != proto::kNil) outcome.ext = frame.slice(item.ext);
    outcome.attachments.assign(mine.begin(), mine.end());
    end_attempt(slot, std::move(outcome), now);
  }
}

void Session::on_items(const proto::Head& head, const Buffer& frame, std::span<const Buffer> attachments) {
  if (state_ != SessionState::ready || head.epoch != epoch_) {
    ++counters_.stale_messages;
    return;
  }
  if (const auto* why = proto::decode_items(frame.bytes(), attachments.size(), stream_items_)) {
    return malformed(why);
  }
  for (const auto& item : stream_items_) {
    const auto mine = attachments.first(item.attachments);
    attachments = attachments.subspan(item.attachments);
    const auto slot = table_.find(CallId{item.id});
    if (slot == kNone || table_[slot].state != CallState::sent || item.attempt < table_[slot].attempts ||
        (table_[slot].call->flags & proto::kStream) == 0) {
      ++counters_.late_replies;
      continue;
    }
    Call& call = *table_[slot].call;
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
  }
}

void Session::on_protocol_error(std::string_view frame) {
  proto::ProtocolError error;
  if (const auto* why = proto::decode(frame, error)) return malformed(why);
  ++counters_.protocol_errors;
  const Status status = error.unauthorized ? Status::unauthorized : Status::protocol_error;
  const std::string message = "the broker refused what this client sent: " + error.message;
  if (state_ == SessionState::greeting && !hello_pending_) {
    refuse(status, message);
  } else if (state_ == SessionState::ready) {
    end_sent(status, message);  // a whole message was refused, and nothing says which
  } else {
    ++counters_.stale_messages;
  }
}

}  // namespace samovar::client
