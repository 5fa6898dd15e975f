// How requests end: who hears what, and what is left of a request whose caller has heard.
#include <cassert>
#include <cmath>

#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"
#include "proto/codec.hpp"
#include "proto/cursor.hpp"

namespace samovar::broker {

void Core::answer(const Client& client, std::uint64_t id, std::uint8_t attempt, const Outcome& outcome,
                  const Frames& attachments) {
  proto::ReplyItem item;
  item.id = id;
  item.attempt = attempt;
  item.status = outcome.status;
  item.run_us = outcome.run_us;
  item.value = outcome.tail;
  item.ext = std::string_view(outcome.tail.data() + outcome.tail.size(), 0);
  outbox_.reply(client.peer, client.epoch, item, attachments);
}

void Core::refuse_request(const Client& client, const proto::RequestItem& item, Status status,
                          proto::ErrorValue error, TimePoint now) {
  outcomes_[static_cast<std::size_t>(status)] += 1;
  errors_.add(item.method, status, wall_us(now), [&] { return error.message; });
  traces_.refused(item, client.name, status, now);
  answer(client, item.id, item.attempt,
         Outcome{status, 0, proto::encode_error(error) + std::string(proto::kNil)});
}

void Core::settle(Request& request, const Outcome& outcome, const Frames& attachments, TimePoint now) {
  assert(request.client);
  const auto status = static_cast<std::size_t>(outcome.status);
  outcomes_[status] += 1;
  if (request.method) request.method->outcomes[status] += 1;
  if (outcome.status != Status::ok) note_error(request, outcome, now);
  traces_.end(request, outcome.status, now);
  answer(*request.client, request.id, request.attempt, outcome, attachments);
  leave(request);
  if (request.flight) land(request, outcome, attachments, now);
}

void Core::settle(Request& request, Status status, const proto::ErrorValue& error, TimePoint now) {
  settle(request, Outcome{status, 0, proto::encode_error(error) + std::string(proto::kNil)}, {}, now);
}

// For those who ask what has gone wrong lately.
void Core::note_error(const Request& request, const Outcome& outcome, TimePoint now) {
  errors_.add(request.method ? request.method->full_name : *request.name, outcome.status, wall_us(now), [&] {
    proto::Cursor cursor(outcome.tail);
    proto::ErrorValue error;
    std::string_view map;
    if (!cursor.skip(limits::kMaxDepth, map) || proto::decode_error(map, error)) return std::string();
    return error.message;
  });
}

// The request has no caller any more: it has heard, or is gone.
void Core::leave(Request& request) {
  if (request.stream) timers_.cancel(request.stream->idle);
  request.client->outstanding.erase(request.id);
  request.client = nullptr;
  timers_.cancel(request.timer);
}

void Core::end_early(Request& request, Status status, const proto::ErrorValue& error, TimePoint now) {
  if (request.state == Request::State::queued) request.service->queue.remove(request);
  if (request.flight) {
    const bool own = status == Status::cancelled || status == Status::deadline_exceeded;
    if (request.state == Request::State::following) {
      unfollow(request);
    } else if (own && !request.flight->followers.empty()) {
      settle_alone(request, Outcome{status, 0, proto::encode_error(error) + std::string(proto::kNil)}, now);
      return take_over(request);
    }
  }
  settle(request, status, error, now);
  left_behind(request);
}

// What becomes of a request whose caller has just left; a queued one has been taken out of its queue.
void Core::left_behind(Request& request) {
  switch (request.state) {
    case Request::State::queued:
    case Request::State::following: return forget(request);
    case Request::State::commanded: errands_.erase(raw(request.dispatch_id)); return forget(request);
    case Request::State::in_flight:
      request.state = Request::State::abandoned;
      request.service->abandoned += 1;
      if (request.method->cancel) tell_cancelled(request);
      return;
    case Request::State::abandoned: return;
  }
}

void Core::client_gone(Client& client) {
  const auto outstanding = client.outstanding.all();
  // Those that follow first: else one of them would be heir to a caller that is gone as well.
  for (Request* request : outstanding) {
    if (request->state != Request::State::following) continue;
    counters_.client_gone += 1;
    unfollow(*request);
    leave(*request);
    forget(*request);
  }
  for (Request* request : client.outstanding.all()) {
    counters_.client_gone += 1;
    if (request->state == Request::State::queued) request->service->queue.remove(*request);
    leave(*request);
    if (request->flight) {
      if (!request->flight->followers.empty()) {
        take_over(*request);
        continue;
      }
      end_flight(*request);
    }
    left_behind(*request);
  }
}

void Core::deadline_passed(Request& request, TimePoint now) {
  proto::ErrorValue error;
  const auto ms = std::to_string(std::lround(request.timeout_us / 1000));
  if (request.state == Request::State::queued) {
    error.where = "queued";
    error.message = "the deadline (" + ms + " ms) passed while the request was queued; nothing ran";
  } else if (request.state == Request::State::following) {
    error.where = "running";
    error.message = "the deadline (" + ms + " ms) passed while an equal request was under way";
  } else if (request.state == Request::State::commanded) {
    error.where = "running";
    error.message = "the deadline (" + ms + " ms) passed before all supervisors of service '" +
                    request.service->name + "' had answered; they go on with it";
  } else {
    error.where = "running";
    error.message =
        "the deadline (" + ms + " ms) passed while worker '" + request.worker->name + "' ran the request";
  }
  end_early(request, Status::deadline_exceeded, error, now);
}

void Core::handle(const event::Cancel& event, TimePoint now) {
  Client* client = client_of(event.peer, event.epoch, now);
  if (!client) return;
  for (const std::uint64_t id : event.ids) {
    Request* request = client->outstanding.find(id);
    if (!request) continue;
    const char* where = request->state == Request::State::queued ? "queued" : "running";
    end_early(*request, Status::cancelled, error_at(where, "the caller cancelled"), now);
  }
}

void Core::forget(Request& request) {
  assert(!request.client && !request.worker && !request.timer.is_set() && !request.flight);
  traces_.forget(request);
  request.payload.clear();
  if (request.stream) request.stream.reset();
  requests_.give_back(request);
}

}  // namespace samovar::broker
