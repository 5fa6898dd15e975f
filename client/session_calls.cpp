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
  const auto end = hopeless(now);
  const bool may_rest = end && end->status == Status::unavailable && call->retry.max_attempts > 1;
  if (end && !may_rest) return refuse_call(end->status, end->why);
  if (table_.size() >= std::min(config_.max_outstanding, limits::kMaxOutstanding)) {
    return refuse_call(Status::overloaded,
                       std::to_string(table_.size()) + " calls of this client are outstanding already");
  }
  const auto size = size_of(*call);
  if (table_.waiting() > 0 && waiting_bytes_ + size > config_.max_waiting_bytes) {
    return refuse_call(Status::overloaded,
                       std::to_string(waiting_bytes_) + " bytes of calls wait for a broker already");
  }
  const auto slot = table_.add(std::move(call));
  waiting_bytes_ += size;
  budget_.earn();
  if (end) end_attempt(slot, local_outcome(Status::unavailable, end->why), now);
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
  at(table_[slot].link).windows.push_back({static_cast<std::uint64_t>(id), window});
}

void Session::cancel_all() {
  while (table_.first_resting() != kNone) cancel(table_[table_.first_resting()].call->id);
  for (const auto& link : links_) {
    while (link && table_.first_sent(link->id) != kNone) cancel(table_[table_.first_sent(link->id)].call->id);
  }
  while (table_.first_waiting() != kNone) cancel(table_[table_.first_waiting()].call->id);
}

void Session::send_cancel(CallTable::Slot slot) {
  if (table_[slot].state != CallState::sent) return;
  at(table_[slot].link).cancels.push_back(static_cast<std::uint64_t>(table_[slot].call->id));
}

// All brokers go away and take no more; no attempt is with them.
void Session::end_unsent(CallTable::Slot slot, const std::string& why, TimePoint now) {
  const auto lost = table_[slot].lost;
  if (lost == Status::ok)
    return end_attempt(slot, local_outcome(Status::unavailable, why, table_[slot].attempts), now);
  fail(slot, lost, why + ", and before that " + std::string(held_by(lost)) + ": it may have run");
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
      expire(slot, now);
    }
  }
  for (const auto& link : links_) {
    if (!link) continue;
    for (auto due = guard(*link); due && *due <= now; due = guard(*link))
      expire(table_.first_sent(link->id), now);
    if (link->greets_again() && link->hello_again_at <= now) link->greet(now);
    if (is_suspect(*link) && link->health.due() <= now)
      link->ping_pending = link->health.tick(now, random_.jitter());
  }
}

// When the oldest call is beyond any deadline that the broker may have set, where it set it. Those behind wait for their
// turn to be the oldest: what has a timeout of its own leaves in time.
std::optional<TimePoint> Session::guard(const Link& link) const {
  const auto slot = table_.first_sent(link.id);
  if (slot == kNone || table_[slot].call->own_timeout) return std::nullopt;
  constexpr std::uint64_t kLongest = std::chrono::microseconds(samovar::limits::kMaxTimeout).count();
  const auto& entry = table_[slot];
  return (entry.hedges ? entry.due_later : entry.due) +
         std::chrono::microseconds(std::min(link.broker.max_timeout_us, kLongest)) + limits::kDeadlineGrace;
}

std::optional<TimePoint> Session::next_deadline() const {
  std::optional<TimePoint> next;
  const auto at = [&next](TimePoint time) {
    if (!next || time < *next) next = time;
  };
  if (const auto slot = table_.first_due(); slot != kNone) at(table_[slot].due);
  for (const auto& link : links_) {
    if (!link) continue;
    if (const auto due = guard(*link)) at(*due);
    if (link->greets_again()) at(link->hello_again_at);
    if (is_suspect(*link)) at(link->health.due());
  }
  return next;
}

// It has failed, and is asked now and then whether it is well again.
bool Session::is_suspect(const Link& link) const {
  return !link.health.trusted() && link.state == LinkState::ready && !link.draining && !link.retiring;
}

// The call's time is up, and nobody else has said so.
void Session::expire(CallTable::Slot slot, TimePoint now) {
  const auto& entry = table_[slot];
  const bool is_sent = entry.state == CallState::sent;
  if (is_sent) failed(at(entry.link), now);
  if (entry.is_hedge) {
    if (!under_way(entry.twin)) return expire(entry.twin, now);
    send_cancel(slot);
    return drop_hedge(slot);
  }
  if (is_sent || entry.state == CallState::resting) {
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
  const bool has_broker = std::any_of(
      links_.begin(), links_.end(), [](const auto& link) { return link && link->state == LinkState::ready; });
  if (has_broker)
    return fail(slot, Status::deadline_exceeded, "the time was up before the call could be sent");
  fail(slot, Status::unavailable, why_waiting());
}

// There is no broker. What is said of one that takes connections says more than what is said of others.
std::string Session::why_waiting() const {
  std::string where;
  bool something_else = false;
  for (const auto& link : links_) {
    if (!link || link->retiring) continue;
    if (link->state != LinkState::disconnected) {
      return "the broker at " + link->endpoint + " takes connections, but " +
             (link->last_malformed.empty() ? "does not answer"
                                           : "cannot be understood: " + link->last_malformed);
    }
    where += (where.empty() ? "" : " or ") + link->endpoint;
    something_else = something_else || link->handshake_failed;
  }
  if (where.empty()) return "no broker is known: " + no_links_;
  return "no broker answers at " + where +
         (something_else ? ": something else listens there" : ": is samovard running there?");
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
  if (table_[slot].state == CallState::sent) outcome.endpoint = &at(table_[slot].link).endpoint;
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
