// Equal calls of a pure method are run once. A request that comes while an equal one is outstanding follows it: it has
// its own id, deadline and cancel, and takes part in the leader's outcome. When the leader's caller leaves, a follower
// takes its place, in the queue or at the worker.
#include <cassert>
#include <utility>

#include "broker/core/core.hpp"
#include "broker/core/siphash.hpp"

namespace samovar::broker {

// True when the request follows another one.
bool Core::join(Client& client, const proto::RequestItem& item, Method& method, TimePoint sent,
                TimePoint now) {
  const auto at = flights_.find(SipHash(config_.secret).add(method.full_name).add(item.body).value());
  if (at == flights_.end()) return false;
  Flight& flight = at->second;
  const Request& leader = *flight.leader;
  const bool equal =
      leader.method == &method && leader.payload.view().substr(0, flight.body_bytes) == item.body;
  // A caller takes no outcome of an attempt below its own.
  if (!equal || item.attempt > leader.attempt) return false;
  Request& request = take_request(client, item, *method.service, &method, sent, now);
  request.state = Request::State::following;
  request.flight = &flight;
  flight.followers.push_back(request);
  counters_.shared += 1;
  return true;
}

// Others may follow this one.
void Core::lead(Request& request, const proto::RequestItem& item) {
  const auto hash = SipHash(config_.secret).add(request.method->full_name).add(item.body).value();
  const auto [at, fresh] = flights_.try_emplace(hash);
  if (!fresh) return;
  at->second.leader = &request;
  at->second.hash = hash;
  at->second.body_bytes = item.body.size();
  request.flight = &at->second;
}

// The leader has ended, and with it its followers: each gets the outcome, `tail_of` a follower is what it hears.
template <typename TailOf>
void Core::land(Request& leader, const Outcome& outcome, const TailOf& tail_of, const Frames& attachments,
                TimePoint now) {
  Flight& flight = *leader.flight;
  while (Request* request = flight.followers.pop_front()) {
    request->flight = nullptr;
    request->attempt = leader.attempt;
    Outcome own = outcome;
    const std::string tail = tail_of(*request);
    own.tail = tail;
    settle(*request, own, attachments, now);
    forget(*request);
  }
  end_flight(leader);
}

void Core::land(Request& leader, const Outcome& outcome, const Frames& attachments, TimePoint now) {
  land(
      leader, outcome, [&](const Request&) { return std::string(outcome.tail); }, attachments, now);
}

void Core::land(Request& leader, const proto::ReplyItem& item, const Worker& worker,
                const Frames& attachments, TimePoint now) {
  const auto tail_of = [&](const Request& request) {
    return (request.flags & proto::kMetadata)
               ? add_metadata(item.value, item.ext, leader.queued_us, worker.name)
               : std::string(item.tail());
  };
  land(leader, Outcome{item.status, item.run_us, {}}, tail_of, attachments, now);
}

// Nobody follows it any more.
void Core::end_flight(Request& leader) {
  assert(leader.flight->followers.empty());
  flights_.erase(leader.flight->hash);
  leader.flight = nullptr;
}

void Core::unfollow(Request& request) {
  request.flight->followers.remove(request);
  request.flight = nullptr;
}

// The leader's caller has heard or is gone: the first follower's takes its place. The request itself stays where it is.
void Core::take_over(Request& leader) {
  assert(!leader.client);
  Request& heir = *leader.flight->followers.front();
  unfollow(heir);
  leader.client = heir.client;
  leader.id = heir.id;
  leader.flags = heir.flags;
  leader.timeout_us = heir.timeout_us;
  leader.deadline = heir.deadline;
  leader.client->outstanding.erase(heir.id);
  leader.client->outstanding.insert(leader.id, leader);
  timers_.cancel(heir.timer);
  timers_.set(leader.timer, leader.deadline);
  heir.client = nullptr;
  traces_.move(heir, leader);
  if (leader.state == Request::State::queued) {
    leader.priority = std::min(leader.priority, heir.priority);
    leader.service->queue.push_front(leader);
  }
  forget(heir);
}

// The leader's caller hears, the others do not.
void Core::settle_alone(Request& leader, const Outcome& outcome, TimePoint now) {
  Flight* flight = std::exchange(leader.flight, nullptr);
  settle(leader, outcome, {}, now);
  leader.flight = flight;
}

// A worker dropped the request since its caller had no time left. True when another one has: it is to be tried again.
bool Core::flies_on(Request& leader, const Outcome& outcome, TimePoint now) {
  if (leader.attempt == 255) return false;
  if (now < leader.deadline) return true;
  if (leader.flight->followers.empty()) return false;
  settle_alone(leader, outcome, now);
  take_over(leader);
  return true;
}

}  // namespace samovar::broker
