#include "client/session.hpp"

#include <algorithm>
#include <utility>

#include "proto/limits.hpp"

namespace samovar::client {
namespace {

constexpr auto kNone = CallTable::kNone;

std::string_view held_by(Status lost) {
  return lost == Status::worker_lost ? "the worker was lost while it ran the call"
                                     : "the broker went away while it held the call";
}

}  // namespace

Outcome local_outcome(Status status, std::string message, std::uint8_t attempt) {
  proto::ErrorValue error;
  error.message = std::move(message);
  error.where = "client";
  Outcome outcome;
  outcome.status = status;
  outcome.attempt = attempt;
  outcome.value = Buffer(proto::encode_error(error));
  return outcome;
}

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

// --- the callers ---------------------------------------------------------------------------------------

void Session::submit(CallPtr call, TimePoint now) {
  const auto refuse_call = [&](Status status, std::string why) {
    completions_.push_back({std::move(call), local_outcome(status, std::move(why))});
  };
  if (valid_method_.empty() || call->method != valid_method_) {
    proto::MethodName name;
    if (!proto::split_method(call->method, name)) {
      return refuse_call(Status::bad_request,
                         "'" + call->method.substr(0, 80) + "' is not a method's name: write SERVICE.METHOD");
    }
    valid_method_ = call->method;
  }
  if (call->attachments.size() > samovar::limits::kMaxAttachments) {
    return refuse_call(
        Status::bad_request,
        "a call can carry " + std::to_string(samovar::limits::kMaxAttachments) + " attachments at most");
  }
  if (!refusal_.empty() && (state_ == SessionState::refused || now < refused_until_))
    return refuse_call(refused_as_, refusal_);
  const bool goes_away = state_ == SessionState::ready && draining_;
  if (goes_away && call->retry.max_attempts <= 1) return refuse_call(Status::unavailable, going_away());
  if (table_.size() >= std::min(config_.max_outstanding, limits::kMaxOutstanding)) {
    return refuse_call(Status::overloaded,
                       std::to_string(table_.size()) + " calls of this client are outstanding already");
  }
  const auto size = size_of(*call);
  if (table_.waiting() > 0 && waiting_bytes_ + size > config_.max_waiting_bytes) {
    return refuse_call(Status::overloaded,
                       std::to_string(waiting_bytes_) + " bytes of calls wait for the broker already");
  }
  const auto slot = table_.add(std::move(call));
  waiting_bytes_ += size;
  budget_.earn();
  if (goes_away) end_attempt(slot, local_outcome(Status::unavailable, going_away()), now);
}

void Session::cancel(CallId id) {
  const auto slot = table_.find(id);
  if (slot == kNone) return;
  if (table_[slot].is_hedge) return cancel(table_[table_[slot].twin].call->id);
  send_cancel(slot);
  fail(slot, Status::cancelled, "the caller cancelled the call");
}

void Session::widen(CallId id, std::uint64_t window) {
  const auto slot = table_.find(id);
  if (slot == kNone || table_[slot].state != CallState::sent) return;
  windows_.push_back({static_cast<std::uint64_t>(id), window});
}

void Session::cancel_all() {
  while (table_.first_resting() != kNone) cancel(table_[table_.first_resting()].call->id);
  while (table_.first_sent() != kNone) cancel(table_[table_.first_sent()].call->id);
  while (table_.first_waiting() != kNone) cancel(table_[table_.first_waiting()].call->id);
}

void Session::send_cancel(CallTable::Slot slot) {
  if (table_[slot].state != CallState::sent) return;
  cancels_.push_back(static_cast<std::uint64_t>(table_[slot].call->id));
}

// The broker goes away and takes no more; no attempt is with it.
void Session::end_unsent(CallTable::Slot slot, TimePoint now) {
  const auto lost = table_[slot].lost;
  if (lost == Status::ok)
    return end_attempt(slot, local_outcome(Status::unavailable, going_away(), table_[slot].attempts), now);
  fail(slot, lost, going_away() + ", and before that " + std::string(held_by(lost)) + ": it may have run");
}

// --- time ----------------------------------------------------------------------------------------------

void Session::tick(TimePoint now) {
  for (auto slot = table_.first_due(); slot != kNone && table_[slot].due <= now; slot = table_.first_due()) {
    auto& entry = table_[slot];
    const bool rests = entry.state == CallState::resting;
    if (rests && entry.twin == kNone) {
      end_rest(slot, now);
    } else if (entry.hedges) {
      hedge(slot, now);
    } else if ((rests || entry.state == CallState::sent) && !entry.overdue) {
      entry.overdue = true;
      table_.set_due(slot, entry.due + limits::kDeadlineGrace);
    } else {
      expire(slot);
    }
  }
  for (auto due = guard(); due && *due <= now; due = guard()) expire(table_.first_sent());
  if (greets_again() && hello_again_at_ <= now) greet(now);
}

// A HELLO that was lost; or one that was refused, and may be allowed now.
bool Session::greets_again() const {
  return state_ == SessionState::greeting ||
         (state_ == SessionState::refused && refused_as_ == Status::unauthorized);
}

// When the oldest call is beyond any deadline that the broker may have set, where it set it. Those behind wait for their
// turn to be the oldest: what has a timeout of its own leaves in time.
std::optional<TimePoint> Session::guard() const {
  const auto slot = table_.first_sent();
  if (slot == kNone || table_[slot].call->own_timeout) return std::nullopt;
  constexpr std::uint64_t kLongest = std::chrono::microseconds(samovar::limits::kMaxTimeout).count();
  const auto& entry = table_[slot];
  return (entry.hedges ? entry.due_later : entry.due) +
         std::chrono::microseconds(std::min(broker_.max_timeout_us, kLongest)) + limits::kDeadlineGrace;
}

std::optional<TimePoint> Session::next_deadline() const {
  std::optional<TimePoint> next;
  if (const auto slot = table_.first_due(); slot != kNone) next = table_[slot].due;
  if (const auto due = guard(); due && (!next || *due < *next)) next = due;
  if (greets_again() && (!next || hello_again_at_ < *next)) next = hello_again_at_;
  return next;
}

// The call's time is up, and nobody else has said so.
void Session::expire(CallTable::Slot slot) {
  const auto& entry = table_[slot];
  if (entry.is_hedge) {
    if (!under_way(entry.twin)) return expire(entry.twin);
    send_cancel(slot);
    return drop_hedge(slot);
  }
  if (entry.state == CallState::sent || entry.state == CallState::resting) {
    send_cancel(slot);
    return fail(
        slot, Status::deadline_exceeded,
        "the time was up, and the broker said nothing: it is stopped or cut off; the call may have run");
  }
  if (entry.lost != Status::ok) {
    return fail(
        slot, entry.lost,
        std::string(held_by(entry.lost)) + ", and there was no time left to make it again: it may have run");
  }
  switch (state_) {
    case SessionState::disconnected:
      return fail(
          slot, Status::unavailable,
          "no broker answers at " + config_.endpoint +
              (handshake_failed_ ? ": something else listens there" : ": is samovard running there?"));
    case SessionState::greeting:
    case SessionState::refused:
      return fail(
          slot, Status::unavailable,
          "the broker at " + config_.endpoint + " takes connections, but " +
              (last_malformed_.empty() ? "does not answer" : "cannot be understood: " + last_malformed_));
    case SessionState::ready:
      return fail(slot, Status::deadline_exceeded, "the time was up before the call could be sent");
  }
}

// --- ends ----------------------------------------------------------------------------------------------

Outcome& Session::complete(CallTable::Slot slot) {
  if (table_[slot].state == CallState::waiting) waiting_bytes_ -= size_of(*table_[slot].call);
  if (const auto second = table_[slot].twin; second != kNone) {
    send_cancel(second);
    drop_hedge(second);
  }
  auto& completion = completions_.emplace_back();
  completion.call = table_.remove(slot);
  return completion.outcome;
}

void Session::fail(CallTable::Slot slot, Status status, std::string message) {
  if (table_[slot].is_hedge) {
    const auto first = table_[slot].twin;
    if (under_way(first)) return drop_hedge(slot);
    slot = first;
  }
  auto outcome = local_outcome(status, std::move(message), table_[slot].attempts);
  complete(slot) = std::move(outcome);
}

void Session::wait_again(CallTable::Slot slot, TimePoint due) {
  if (!table_[slot].is_hedge && table_[slot].twin != kNone) drop_hedge(table_[slot].twin);
  table_[slot].overdue = table_[slot].hedges = false;
  table_.set_due(slot, due);
  table_.mark_waiting(slot);
  waiting_bytes_ += size_of(*table_[slot].call);
}

}  // namespace samovar::client
