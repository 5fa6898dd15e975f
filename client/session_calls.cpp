// Calls in a session: what their callers say, when their time is up, and how they end.
#include <algorithm>
#include <utility>

#include "client/session.hpp"
#include "proto/limits.hpp"

namespace samovar::client {
namespace {

constexpr auto kNone = CallTable::kNone;

std::string_view held_by(Status lost) {
  return lost == Status::worker_lost ? "the worker was lost while it ran the call"
                                     : "the broker went away while it held the call";
}

}  // namespace

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

}  // namespace samovar::client
