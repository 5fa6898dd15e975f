// Items and windows of streams, PROTOCOL.md 4.6, and CANCEL to workers, 4.4. The broker keeps no items.
#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"
#include "proto/codec.hpp"

namespace samovar::broker {

void Core::handle(const event::Items& event, TimePoint now) {
  Worker* worker = worker_of(event.peer, event.epoch, now);
  if (!worker) return;
  std::size_t taken = 0;
  for (const auto& item : event.items) {
    take_item(*worker, item, part_of(event.attachments, taken, item.attachments), now);
    taken += item.attachments;
  }
}

void Core::take_item(Worker& worker, const proto::StreamItem& item, const Frames& attachments,
                     TimePoint now) {
  Request* request = in_flight_.find(item.id);
  if (!request || request->worker != &worker || request->attempt != item.attempt || !request->stream ||
      !request->client) {
    counters_.late_items += 1;
    return;
  }
  Stream& stream = *request->stream;
  const auto fail = [&](std::string what) {
    end_early(*request, Status::internal,
              error_at("broker", "worker '" + worker.name + "' " + what + "; the stream was ended"), now);
  };
  if (item.seq != stream.items) {
    return fail("sent item " + std::to_string(item.seq) + " of a stream where item " +
                std::to_string(stream.items) + " was due");
  }
  if (item.seq >= stream.window) {
    return fail("sent more items than the " + std::to_string(stream.window) + " that the reader takes");
  }
  proto::StreamItem mine = item;
  mine.id = request->id;
  outbox_.item(request->client->peer, request->client->epoch, mine, attachments);
  counters_.items += 1;
  stream.items += 1;
  if (stream.items == stream.window) timers_.set(stream.idle, now + config_.stream_idle);
}

void Core::handle(const event::Windows& event, TimePoint now) {
  Client* client = client_of(event.peer, event.epoch, now);
  if (!client) return;
  for (const auto& [id, window] : event.windows) {
    Request* request = client->outstanding.find(id);
    if (!request || !request->stream || window <= request->stream->window) continue;
    request->stream->window = window;
    timers_.cancel(request->stream->idle);
    if (request->state == Request::State::in_flight) tell_window(*request);
  }
}

// To the worker that has the request: what its reader takes.
void Core::tell_window(const Request& request) {
  const Worker& worker = *request.worker;
  outbox_.control(
      Side::backend, worker.peer,
      proto::encode_windows(raw(worker.epoch), {{raw(request.dispatch_id), request.stream->window}}));
}

// To the worker that has the request: nobody wants its result any more.
void Core::tell_cancelled(const Request& request) {
  const Worker& worker = *request.worker;
  if (worker.state == Worker::State::dying) return;
  outbox_.control(Side::backend, worker.peer,
                  proto::encode_ids(proto::Kind::cancel, raw(worker.epoch), {raw(request.dispatch_id)}));
}

void Core::stream_idle(Request& request, TimePoint now) {
  const auto ms = std::to_string(to_us(config_.stream_idle) / 1000);
  end_early(request, Status::deadline_exceeded,
            error_at("client", "the reader of the stream took no item for " + ms +
                                   " ms (stream_idle); a worker is not held for it any longer"),
            now);
}

void Core::handle(const event::ItemsDropped& event, TimePoint now) {
  const auto at = clients_.find(raw(event.peer));
  if (at == clients_.end()) return;
  for (const std::uint64_t id : event.ids) {
    Request* request = at->second->outstanding.find(id);
    if (!request || !request->stream || request->state != Request::State::in_flight) continue;
    end_early(
        *request, Status::deadline_exceeded,
        error_at("client", "the client does not read its connection, and an item of the stream was dropped"),
        now);
  }
}

}  // namespace samovar::broker
