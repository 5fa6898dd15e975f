// Results that come item by item: the broker counts them, and hands on items, windows and cancels.
#include "broker/core/core.hpp"
#include "broker/core/parts.hpp"

namespace samovar::broker {

// Why a request with these flags cannot be for this method; nullptr: it can.
const char* Core::wrong_kind(const Method& method, std::uint32_t flags) {
  const bool wants_stream = (flags & proto::kStream) != 0;
  if (method.stream == wants_stream) return nullptr;
  return wants_stream
             ? "this method answers with one value, not with a stream: call it as any other"
             : "this method answers with a stream: call it as one (Client::stream, samovar call --stream)";
}

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
  if (!request || request->worker != &worker || request->attempt != item.attempt || !request->stream) {
    counters_.late_replies += 1;
    return;
  }
  if (!request->client) return;  // its reader has left, and the worker has been told
  Stream& stream = *request->stream;
  if (item.seq != stream.sent || stream.sent >= stream.window) {
    counters_.protocol_errors += 1;
    proto::ErrorValue error =
        error_at("running", item.seq != stream.sent
                                ? "worker '" + worker.name + "' sent item " + std::to_string(item.seq) +
                                      " of a stream, not " + std::to_string(stream.sent)
                                : "worker '" + worker.name +
                                      "' sent more items of a stream than its reader had asked for");
    return end_early(*request, Status::internal, error, now);
  }
  stream.sent += 1;
  if (stream.sent == stream.window) timers_.set(stream.idle, now + config_.stream_idle);
  proto::StreamItem out = item;
  out.id = request->id;
  outbox_.item(request->client->peer, request->client->epoch, out, attachments);
}

void Core::handle(const event::Windows& event, TimePoint now) {
  Client* client = client_of(event.peer, event.epoch, now);
  if (!client) return;
  std::unordered_map<Worker*, std::vector<proto::Window>> on;
  for (const auto& window : event.windows) {
    Request* request = client->outstanding.find(window.id);
    if (!request || !request->stream || window.items <= request->stream->window) continue;
    Stream& stream = *request->stream;
    stream.window = window.items;
    timers_.cancel(stream.idle);
    if (request->worker) on[request->worker].push_back({raw(request->dispatch_id), window.items});
  }
  for (const auto& [worker, windows] : on) {
    outbox_.control(Side::backend, worker->peer, proto::encode_windows(raw(worker->epoch), windows));
  }
}

void Core::stream_idle(Request& request, TimePoint now) {
  const auto ms = std::to_string(to_us(config_.stream_idle) / 1000);
  end_early(request, Status::deadline_exceeded,
            error_at("client", "the stream's reader took nothing for " + ms + " ms (stream_idle_ms)"), now);
}

void Core::tell_worker(const Request& request) {
  if (!request.method->cancel) return;
  const Worker& worker = *request.worker;
  outbox_.control(Side::backend, worker.peer,
                  proto::encode_ids(proto::Kind::cancel, raw(worker.epoch), {raw(request.dispatch_id)}));
}

}  // namespace samovar::broker
