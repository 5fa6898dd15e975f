// What a session has to send.
#include <algorithm>
#include <utility>

#include "client/session.hpp"
#include "proto/codec.hpp"

namespace samovar::client {
namespace {

constexpr auto kNone = CallTable::kNone;

}  // namespace

bool Session::next_message(TimePoint now, Message& message) {
  return next_hello(message) || next_cancel(message) || next_windows(message) || next_bundle(now, message);
}

bool Session::next_hello(Message& message) {
  if (state_ != SessionState::greeting || !hello_pending_) return false;
  proto::PeerHello hello;
  hello.role = proto::Role::client;
  hello.nonce = nonce_;
  hello.name = config_.name;
  hello.pid = config_.pid;
  hello.clock = config_.clock;
  message = {proto::encode(0, hello), {}, 0};
  hello_pending_ = false;
  taken_ = Taken::hello;
  ++counters_.hellos_sent;
  ++counters_.messages_sent;
  return true;
}

bool Session::next_cancel(Message& message) {
  if (state_ != SessionState::ready || cancels_.empty()) return false;
  const auto count = std::min<std::size_t>(cancels_.size(), broker_.max_bundle);
  const auto end = cancels_.begin() + static_cast<std::ptrdiff_t>(count);
  taken_cancels_.assign(cancels_.begin(), end);
  cancels_.erase(cancels_.begin(), end);
  message = {proto::encode_ids(proto::Kind::cancel, epoch_, taken_cancels_), {}, 0};
  taken_ = Taken::cancels;
  ++counters_.messages_sent;
  return true;
}

bool Session::next_windows(Message& message) {
  if (state_ != SessionState::ready || windows_.empty()) return false;
  const auto count = std::min<std::size_t>(windows_.size(), broker_.max_bundle);
  const auto end = windows_.begin() + static_cast<std::ptrdiff_t>(count);
  taken_windows_.assign(windows_.begin(), end);
  windows_.erase(windows_.begin(), end);
  message = {proto::encode_windows(epoch_, taken_windows_), {}, 0};
  taken_ = Taken::windows;
  ++counters_.messages_sent;
  return true;
}

// Before the first call of a caller that was built against a schema, the broker is told that schema. False where it would not
// take it: calls are not compared then.
bool Session::declare(const Schema& schema, Message& message) {
  declared_.insert(schema.hash);
  std::string tail;
  proto::append_array(tail, 2);
  proto::append_uint(tail, schema.hash);
  tail.append(schema.packed).append(proto::kNil).append(proto::kNil);
  proto::BundleWriter writer(proto::Kind::request, epoch_);
  writer.add_request(static_cast<std::uint64_t>(kDeclaration), 1, 0, 0, "samovar.declare", tail);
  if (writer.bytes() > broker_.max_body) return false;
  message = {std::move(writer).finish(), {}, 0};
  taken_ = Taken::declaration;
  taken_schema_ = schema.hash;
  ++counters_.messages_sent;
  return true;
}

bool Session::next_bundle(TimePoint now, Message& message) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  if (state_ != SessionState::ready || table_.first_waiting() == kNone) return false;
  const auto now_us = static_cast<std::uint64_t>(duration_cast<microseconds>(now.time_since_epoch()).count());
  const std::uint64_t limit = std::min<std::uint64_t>(limits::kBundleBytes, broker_.max_body);
  // What an item has beside its method and its tail, at most.
  constexpr std::size_t kItemHead = 9 + 2 + 5 + 9 + 5;

  proto::BundleWriter writer(proto::Kind::request, epoch_, now_us);
  message = {};
  std::size_t attached = 0;
  for (auto slot = table_.first_waiting(); slot != kNone && writer.items() < broker_.max_bundle;
       slot = table_.first_waiting()) {
    auto& entry = table_[slot];
    const Call& call = *entry.call;
    if (entry.due <= now) {
      expire(slot);
      continue;
    }
    if (!is_declared(call)) {
      if (writer.items() > 0) break;
      if (declare(*call.schema, message)) return true;
    }
    const auto size = size_of(call);
    const auto bytes = writer.bytes() + attached;
    if (writer.items() > 0 && bytes + kItemHead + call.method.size() + size > limit) break;

    bool fits = bytes + size <= broker_.max_body;
    if (fits) {
      const auto left = std::max<std::int64_t>(duration_cast<microseconds>(entry.due - now).count(), 1);
      writer.add_request(static_cast<std::uint64_t>(call.id), static_cast<std::uint8_t>(entry.attempts + 1),
                         call.flags, call.own_timeout ? static_cast<std::uint64_t>(left) : 0, call.method,
                         call.tail);
      fits = writer.bytes() + attached + (size - call.tail.size()) <= broker_.max_body;
    }
    if (!fits) {  // it is alone in the message, or not yet in it
      if (writer.items() > 0) writer = proto::BundleWriter(proto::Kind::request, epoch_, now_us);
      fail(slot, Status::too_large,
           "the call has " + std::to_string(size) + " bytes, the broker at " + config_.endpoint + " takes " +
               std::to_string(broker_.max_body) + " in a message");
      continue;
    }
    for (const auto& attachment : call.attachments) message.attachments.push_back(attachment);
    attached += size - call.tail.size();
    if (++entry.attempts > 1) ++counters_.calls_sent_again;
    waiting_bytes_ -= size;
    table_.mark_sent(slot);
    if (!call.own_timeout) table_.set_aside(slot);
    if (call.hedge_after > Duration::zero()) arm_hedge(slot, now);
  }
  if (writer.items() == 0) return false;
  message.calls = writer.items();
  message.frame = std::move(writer).finish();
  taken_ = Taken::bundle;
  taken_calls_ = message.calls;
  counters_.calls_sent += message.calls;
  ++counters_.messages_sent;
  return true;
}

void Session::not_sent() {
  --counters_.messages_sent;
  switch (std::exchange(taken_, Taken::nothing)) {
    case Taken::nothing: ++counters_.messages_sent; break;
    case Taken::hello:
      --counters_.hellos_sent;
      hello_pending_ = state_ == SessionState::greeting;
      break;
    case Taken::cancels:
      cancels_.insert(cancels_.begin(), taken_cancels_.begin(), taken_cancels_.end());
      break;
    case Taken::windows:
      windows_.insert(windows_.begin(), taken_windows_.begin(), taken_windows_.end());
      break;
    case Taken::declaration: declared_.erase(taken_schema_); break;
    case Taken::bundle:
      counters_.calls_sent -= taken_calls_;
      for (; taken_calls_ > 0; --taken_calls_) {
        const auto slot = table_.last_sent();
        if (table_[slot].attempts-- > 1) --counters_.calls_sent_again;
        const auto& entry = table_[slot];
        wait_again(slot, entry.hedges ? entry.due_later : entry.due);
      }
      break;
  }
}

}  // namespace samovar::client
