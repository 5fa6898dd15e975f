// What a session has to send.
#include <algorithm>
#include <array>
#include <utility>

#include "client/session.hpp"
#include "proto/codec.hpp"

namespace samovar::client {
namespace {

constexpr auto kNone = CallTable::kNone;

}  // namespace

bool Session::next_message(TimePoint now, Message& message) {
  for (const auto& link : links_) {
    if (!link || link->busy) continue;
    if (!next_hello(*link, message) && !next_ping(*link, message) && !next_drained(*link, message) &&
        !next_cancel(*link, message) && !next_windows(*link, message)) {
      continue;
    }
    message.link = taken_from_ = link->id;
    ++counters_.messages_sent;
    return true;
  }
  return next_bundle(now, message);
}

bool Session::next_hello(Link& link, Message& message) {
  if (link.state != LinkState::greeting || !link.hello_pending) return false;
  proto::PeerHello hello;
  hello.role = proto::Role::client;
  hello.nonce = link.nonce;
  hello.name = config_.name;
  hello.pid = config_.pid;
  hello.clock = config_.clock;
  message = {{}, proto::encode(0, hello), {}, 0};
  link.hello_pending = false;
  taken_ = Taken::hello;
  ++counters_.hellos_sent;
  return true;
}

bool Session::next_ping(Link& link, Message& message) {
  if (link.state != LinkState::ready || !link.ping_pending) return false;
  constexpr auto kTimeout = std::chrono::microseconds(limits::kPing).count();
  if (!ask(link, "samovar.ping", static_cast<std::uint64_t>(kTimeout), std::string_view("\x90", 1), message))
    return false;
  link.ping_pending = false;
  taken_ = Taken::ping;
  ++counters_.pings_sent;
  return true;
}

// It answers DRAIN behind all requests that the broker has been sent.
bool Session::next_drained(Link& link, Message& message) {
  if (link.state != LinkState::ready || !link.drained_pending) return false;
  message = {{}, proto::encode(proto::Kind::drained, link.epoch, proto::Notice{}), {}, 0};
  link.drained_pending = false;
  taken_ = Taken::drained;
  return true;
}

bool Session::next_cancel(Link& link, Message& message) {
  if (link.state != LinkState::ready || link.cancels.empty()) return false;
  const auto count = std::min<std::size_t>(link.cancels.size(), link.broker.max_bundle);
  const auto end = link.cancels.begin() + static_cast<std::ptrdiff_t>(count);
  taken_cancels_.assign(link.cancels.begin(), end);
  link.cancels.erase(link.cancels.begin(), end);
  message = {{}, proto::encode_ids(proto::Kind::cancel, link.epoch, taken_cancels_), {}, 0};
  taken_ = Taken::cancels;
  return true;
}

bool Session::next_windows(Link& link, Message& message) {
  if (link.state != LinkState::ready || link.windows.empty()) return false;
  const auto count = std::min<std::size_t>(link.windows.size(), link.broker.max_bundle);
  const auto end = link.windows.begin() + static_cast<std::ptrdiff_t>(count);
  taken_windows_.assign(link.windows.begin(), end);
  link.windows.erase(link.windows.begin(), end);
  message = {{}, proto::encode_windows(link.epoch, taken_windows_), {}, 0};
  taken_ = Taken::windows;
  return true;
}

// A request of the session's own, to whose reply nobody listens. False where the broker would not take it.
bool Session::ask(Link& link, std::string_view method, std::uint64_t timeout_us, std::string_view args,
                  Message& message) {
  std::string tail(args);
  tail.append(proto::kNil).append(proto::kNil);
  proto::BundleWriter writer(proto::Kind::request, link.epoch);
  writer.add_request(static_cast<std::uint64_t>(kOwn), 1, 0, timeout_us, method, tail);
  if (writer.bytes() > link.broker.max_body) return false;
  message = {link.id, std::move(writer).finish(), {}, 0};
  return true;
}

// Before the first call of a caller that was built against a schema, the broker is told that schema. False where it would not
// take it: calls are not compared then.
bool Session::declare(Link& link, const Schema& schema, Message& message) {
  link.declared.insert(schema.hash);
  std::string args;
  proto::append_array(args, 2);
  proto::append_uint(args, schema.hash);
  args.append(schema.packed);
  if (!ask(link, "samovar.declare", 0, args, message)) return false;
  taken_ = Taken::declaration;
  taken_from_ = link.id;
  taken_schema_ = schema.hash;
  ++counters_.messages_sent;
  return true;
}

// The link that gets the next call: the better one of two, of those that are trusted, or else of those that are not.
Link* Session::choose(TimePoint now, std::uint64_t tried) {
  if (links_.size() == 1) return links_[0] && links_[0]->takes_calls() ? links_[0].get() : nullptr;
  std::array<Link*, limits::kMaxLinks> found;
  std::size_t count = 0;
  const auto collect = [&](bool trusted, std::uint64_t without) {
    for (const auto& link : links_) {
      if (link && link->takes_calls() && (!trusted || link->health.trusted()) &&
          (without >> index_of(link->id) & 1) == 0)
        found[count++] = link.get();
    }
    return count > 0;
  };
  if (!collect(true, tried) && !collect(false, tried) && !collect(false, 0)) return nullptr;
  if (count == 1) return found[0];
  const auto first = random_.below(count);
  const auto second = (first + 1 + random_.below(count - 1)) % count;
  Link& one = *found[first];
  Link& other = *found[second];
  const bool is_better = better(table_.sent(other.id), other.health.latency_us(now), table_.sent(one.id),
                                one.health.latency_us(now));
  return is_better ? &other : &one;
}

// How many of the calls that wait go to one broker at once, so that the others get theirs.
std::size_t Session::share() const {
  if (!several()) return table_.waiting();
  const auto takers = static_cast<std::size_t>(std::count_if(
      links_.begin(), links_.end(), [](const auto& link) { return link && link->takes_calls(); }));
  return std::max(table_.waiting() / std::max<std::size_t>(takers, 1), limits::kLeastShare);
}

bool Session::next_bundle(TimePoint now, Message& message) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  if (table_.first_waiting() == kNone) return false;
  Link* const to = choose(now, table_[table_.first_waiting()].tried);
  if (!to) return false;
  Link& link = *to;
  const auto& broker = link.broker;
  const auto now_us = static_cast<std::uint64_t>(duration_cast<microseconds>(now.time_since_epoch()).count());
  const std::uint64_t limit = std::min<std::uint64_t>(limits::kBundleBytes, broker.max_body);
  const auto most = std::min<std::uint64_t>(share(), broker.max_bundle);
  // What an item has beside its method and its tail, at most.
  constexpr std::size_t kItemHead = 9 + 2 + 5 + 9 + 5;

  proto::BundleWriter writer(proto::Kind::request, link.epoch, now_us);
  message = {};
  message.link = link.id;
  std::size_t attached = 0;
  for (auto slot = table_.first_waiting(); slot != kNone && writer.items() < most;
       slot = table_.first_waiting()) {
    auto& entry = table_[slot];
    const Call& call = *entry.call;
    if (entry.due <= now) {
      expire(slot, now);
      continue;
    }
    if (several() && writer.items() > 0 && (entry.tried >> index_of(link.id) & 1) != 0) break;
    if (call.schema && !link.declared.contains(call.schema->hash)) {
      if (writer.items() > 0) break;
      if (declare(link, *call.schema, message)) return true;
    }
    const auto size = size_of(call);
    const auto bytes = writer.bytes() + attached;
    if (writer.items() > 0 && bytes + kItemHead + call.method.size() + size > limit) break;

    bool fits = bytes + size <= broker.max_body;
    if (fits) {
      const auto left = std::max<std::int64_t>(duration_cast<microseconds>(entry.due - now).count(), 1);
      writer.add_request(static_cast<std::uint64_t>(call.id), static_cast<std::uint8_t>(entry.attempts + 1),
                         call.flags, call.own_timeout ? static_cast<std::uint64_t>(left) : 0, call.method,
                         call.tail);
      fits = writer.bytes() + attached + (size - call.tail.size()) <= broker.max_body;
    }
    if (!fits) {  // it is alone in the message, or not yet in it
      if (writer.items() > 0) writer = proto::BundleWriter(proto::Kind::request, link.epoch, now_us);
      fail(slot, Status::too_large,
           "the call has " + std::to_string(size) + " bytes, the broker at " + link.endpoint + " takes " +
               std::to_string(broker.max_body) + " in a message");
      continue;
    }
    for (const auto& attachment : call.attachments) message.attachments.push_back(attachment);
    attached += size - call.tail.size();
    if (++entry.attempts > 1) ++counters_.calls_sent_again;
    waiting_bytes_ -= size;
    table_.mark_sent(slot, link.id);
    entry.sent_at = now;
    if (!call.own_timeout) table_.set_aside(slot);
    if (call.hedge_after > Duration::zero()) arm_hedge(slot, now);
  }
  if (writer.items() == 0) return false;
  message.calls = writer.items();
  message.frame = std::move(writer).finish();
  taken_ = Taken::bundle;
  taken_from_ = link.id;
  taken_calls_ = message.calls;
  counters_.calls_sent += message.calls;
  ++counters_.messages_sent;
  return true;
}

void Session::not_sent() {
  if (taken_ == Taken::nothing) return;
  Link& link = at(taken_from_);
  --counters_.messages_sent;
  switch (std::exchange(taken_, Taken::nothing)) {
    case Taken::nothing: break;
    case Taken::hello:
      --counters_.hellos_sent;
      link.hello_pending = link.state == LinkState::greeting;
      break;
    case Taken::ping:
      --counters_.pings_sent;
      link.ping_pending = true;
      break;
    case Taken::drained: link.drained_pending = true; break;
    case Taken::cancels:
      link.cancels.insert(link.cancels.begin(), taken_cancels_.begin(), taken_cancels_.end());
      break;
    case Taken::windows:
      link.windows.insert(link.windows.begin(), taken_windows_.begin(), taken_windows_.end());
      break;
    case Taken::declaration: link.declared.erase(taken_schema_); break;
    case Taken::bundle:
      counters_.calls_sent -= taken_calls_;
      for (; taken_calls_ > 0; --taken_calls_) {
        const auto slot = table_.last_sent(link.id);
        if (table_[slot].attempts-- > 1) --counters_.calls_sent_again;
        const auto& entry = table_[slot];
        wait_again(slot, entry.hedges ? entry.due_later : entry.due);
      }
      break;
  }
}

}  // namespace samovar::client
