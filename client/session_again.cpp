// Calls that are made again: one after the other (retry), or the second beside the first (hedge).
#include <algorithm>
#include <utility>

#include "client/session.hpp"
#include "proto/limits.hpp"

namespace samovar::client {
namespace {

constexpr auto kNone = CallTable::kNone;

// Whether the call may be made again after that, as far as it is no matter of time and budget.
bool may_retry(const Call& call, Status status) {
  if (call.items > 0) return false;
  switch (status) {
    case Status::unavailable:
    case Status::overloaded: return true;  // nothing ran
    case Status::worker_lost: return (call.flags & proto::kIdempotent) != 0;
    default: return false;  // broker_lost: what is idempotent has been sent again as long as there was time
  }
}

// Says nothing of the call: another attempt that is under way may still answer it.
bool answers_nothing(Status status) {
  return status == Status::unavailable || status == Status::overloaded || status == Status::worker_lost;
}

Duration wait_before(std::uint8_t tries, const Tries& policy) {
  Duration wait = policy.backoff;
  for (int i = 1; i < tries && wait < policy.max_backoff; ++i) wait *= 2;
  return std::min(wait, policy.max_backoff);
}

Duration retry_after(const Outcome& outcome) {
  proto::ErrorValue error;
  if (outcome.status != Status::overloaded || proto::decode_error(outcome.value.bytes(), error)) return {};
  constexpr std::uint64_t kLongest = std::chrono::microseconds(samovar::limits::kMaxTimeout).count();
  return std::chrono::microseconds(std::min(error.retry_after_us.value_or(0), kLongest));
}

}  // namespace

// An attempt has its outcome, and is no more with the broker.
void Session::end_attempt(CallTable::Slot slot, Outcome&& outcome, TimePoint now) {
  const auto other = table_[slot].twin;
  const auto first = table_[slot].is_hedge ? other : slot;
  if (other != kNone) {
    if (answers_nothing(outcome.status) && under_way(other)) {
      if (slot != first) return drop_hedge(slot);
      disarm_hedge(first);
      table_[first].attempts = std::max(table_[first].attempts, outcome.attempt);
      return table_.mark_resting(first);
    }
    send_cancel(other);
    if (slot != first && outcome.status == Status::ok) ++counters_.hedges_won;
    drop_hedge(slot == first ? other : slot);
  }
  if (!move(first, outcome, now) && !retry(first, outcome, now)) complete(first) = std::move(outcome);
}

// What one broker refused without having run it, another one may take: each is asked once.
bool Session::move(CallTable::Slot slot, const Outcome& outcome, TimePoint now) {
  auto& entry = table_[slot];
  const Call& call = *entry.call;
  if (entry.state != CallState::sent || call.items > 0) return false;
  if (outcome.status != Status::unavailable && outcome.status != Status::overloaded) return false;
  const auto attempts = std::max(entry.attempts, outcome.attempt);
  const auto tried = entry.tried | std::uint64_t{1} << index_of(entry.link);
  const bool is_another = std::any_of(links_.begin(), links_.end(), [&](const auto& link) {
    return link && link->takes_calls() && (tried >> index_of(link->id) & 1) == 0;
  });
  if (!is_another || attempts == 255 || (call.own_timeout && call.deadline <= now)) return false;
  if (outcome.status == Status::overloaded && !spend()) return false;
  ++counters_.calls_moved;
  entry.tried = tried;
  entry.attempts = attempts;
  wait_again(slot, call.own_timeout ? call.deadline : now + limits::kBrokerWait);
  return true;
}

bool Session::retry(CallTable::Slot slot, const Outcome& outcome, TimePoint now) {
  auto& entry = table_[slot];
  const Call& call = *entry.call;
  const auto attempts = std::max(entry.attempts, outcome.attempt);
  if (entry.tries >= call.retry.max_attempts || attempts == 255 || !may_retry(call, outcome.status))
    return false;
  const auto backoff =
      std::chrono::duration_cast<Duration>(wait_before(entry.tries, call.retry) * random_.jitter());
  const TimePoint again = now + retry_after(outcome) + backoff;
  if (again >= call.deadline || !spend()) return false;
  ++counters_.retries;
  if (entry.state == CallState::waiting) waiting_bytes_ -= size_of(call);
  entry.tries += 1;
  entry.attempts = attempts;
  if (outcome.status == Status::worker_lost) entry.lost = Status::worker_lost;
  entry.overdue = entry.hedges = false;
  entry.tried = 0;
  table_.mark_resting(slot);
  table_.set_due(slot, again);
  return true;
}

// The time has come to make the call again.
void Session::end_rest(CallTable::Slot slot, TimePoint now) {
  if (const auto end = hopeless(now)) {
    if (end->status == Status::unavailable) return end_unsent(slot, end->why, now);
    return fail(slot, end->status, end->why);
  }
  const auto& call = *table_[slot].call;
  table_.set_due(slot, call.own_timeout ? call.deadline : now + limits::kBrokerWait);
  table_.mark_waiting_last(slot);
  waiting_bytes_ += size_of(call);
}

void Session::arm_hedge(CallTable::Slot slot, TimePoint now) {
  auto& entry = table_[slot];
  if (entry.is_hedge || entry.twin != kNone ||
      (entry.call->own_timeout && now + entry.call->hedge_after >= entry.due))
    return;
  entry.due_later = entry.due;
  entry.hedges = true;
  table_.set_due(slot, now + entry.call->hedge_after);
}

void Session::disarm_hedge(CallTable::Slot slot) {
  auto& entry = table_[slot];
  if (!entry.hedges) return;
  entry.hedges = false;
  table_.set_due(slot, entry.due_later);
  if (!entry.call->own_timeout) table_.set_aside(slot);
}

// The first one has not been answered in time: a second one is to be sent.
void Session::hedge(CallTable::Slot slot, TimePoint now) {
  disarm_hedge(slot);
  const auto due = table_[slot].due;
  const bool may_be_sent =
      std::any_of(links_.begin(), links_.end(), [](const auto& link) { return link && link->takes_calls(); });
  if (!may_be_sent || due <= now || table_.size() >= limits::kMaxOutstanding || !spend()) return;
  auto copy = std::make_shared<Call>(*table_[slot].call);
  copy->deadline = due;
  waiting_bytes_ += size_of(*copy);
  const auto second = table_.add(std::move(copy));
  table_[second].is_hedge = true;
  table_[second].twin = slot;
  table_[second].tried = std::uint64_t{1} << index_of(table_[slot].link);
  table_[slot].twin = second;
  ++hedges_;
  ++counters_.hedges;
}

// Forgets the second one of a call.
void Session::drop_hedge(CallTable::Slot slot) {
  const auto& entry = table_[slot];
  if (entry.state == CallState::waiting) waiting_bytes_ -= size_of(*entry.call);
  table_[entry.twin].twin = kNone;
  table_.remove(slot);
  --hedges_;
}

bool Session::under_way(CallTable::Slot slot) const {
  return table_[slot].state == CallState::sent || table_[slot].state == CallState::waiting;
}

bool Session::spend() {
  if (budget_.spend()) return true;
  ++counters_.over_budget;
  return false;
}

}  // namespace samovar::client
