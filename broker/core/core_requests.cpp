// A request from its acceptance to its worker, and back.
#include <algorithm>
#include <cassert>
#include <utility>

#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"
#include "broker/core/siphash.hpp"
#include "proto/codec.hpp"
#include "proto/cursor.hpp"

namespace samovar::broker {
namespace {

constexpr std::string_view kBuiltin = "samovar";

// What an unmeasured request is charged with: as much as a worker may hold.
constexpr double kUnmeasuredUs =
    static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(limits::kMaxHeldWork).count());

std::string list_of(const std::map<std::string, Method, std::less<>>& methods) {
  std::string names;
  std::size_t listed = 0;
  for (const auto& [name, method] : methods) {
    if (listed++ == 8) return names + ", ...";
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

// The flag `stream` is not what the method is.
std::string misused(const Method& method) {
  return method.stream ? method.full_name + " streams its result: call it as a stream (flag `stream`)"
                       : method.full_name + " does not stream its result: call it without the flag `stream`";
}

proto::ErrorValue unknown_method(const Service& service, std::string_view method) {
  proto::ErrorValue error;
  error.where = "queued";
  error.message = "service '" + service.name + "' has no method '" + std::string(method) +
                  "'; it has: " + list_of(service.methods);
  return error;
}

// As ext says it.
std::uint64_t schema_of(const Request& request) {
  const std::string_view tail = request.payload.view();
  proto::Cursor cursor(tail);
  std::string_view skipped;
  if (!cursor.skip(limits::kMaxDepth, skipped) || !cursor.skip(limits::kMaxDepth, skipped)) return 0;
  return proto::schema_of(
      {cursor.position(), static_cast<std::size_t>(tail.data() + tail.size() - cursor.position())});
}

}  // namespace

// --- acceptance ------------------------------------------------------------------------------------------

void Core::handle(const event::Requests& event, TimePoint now) {
  Client* client = client_of(event.peer, event.epoch, now);
  if (!client) return;
  const std::uint64_t now_us = to_us(now.time_since_epoch());
  const bool sent_is_known = client->same_clock && event.sent_us > 0 && event.sent_us <= now_us;
  const TimePoint sent = now - std::chrono::microseconds(sent_is_known ? now_us - event.sent_us : 0);
  std::size_t taken = 0;
  for (const auto& item : event.items) {
    accept(*client, item, event.frame, part_of(event.attachments, taken, item.attachments), sent, now);
    taken += item.attachments;
  }
}

void Core::accept(Client& client, const proto::RequestItem& item, const FramePtr& frame,
                  const Frames& attachments, TimePoint sent, TimePoint now) {
  counters_.requests += 1;
  const char* wrong = item.wrong;
  if (!wrong && client.outstanding.find(item.id)) wrong = "a request with this id is outstanding already";
  if (wrong) return refuse_request(client, item, Status::bad_request, error_at("broker", wrong), now);

  Method* method = find_method(item.method);
  if (method && ((item.flags & proto::kStream) != 0) != method->stream) {
    return refuse_request(client, item, Status::bad_request, error_at("broker", misused(*method)), now);
  }
  Service* service = method ? method->service : service_of(client, item, sent, now);
  const std::size_t bytes = item.tail().size() + bytes_of(attachments);
  if (service && may_not_call(client, item, *service, now)) return;
  if (method && item.schema > 0 && refuse_mismatch(client, item, *method, now)) return;
  if (!service || refuse_at_the_door(client, item, bytes, *service, now)) return;
  if (method && method->suspects > 0 && refuse_quarantined(client, item, *method, attachments, now)) return;
  const bool may_share =
      method && method->pure && attachments.empty() && !(item.flags & (proto::kReplay | proto::kStream));
  if (may_share && join(client, item, *method, sent, now)) return;
  if (method && refuse_hopeless(client, item, *method, sent + timeout_of(item, method) - now, now)) return;

  Request& request = take_request(client, item, *service, method, sent, now);
  if (!method) request.name = std::make_unique<std::string>(item.method);
  request.payload.set(item.tail(), frame, attachments);
  if (may_share) lead(request, item);
  service->retries.earn();
  service->queue.push_back(request);

  if (service->is_deserted()) {
    service_changed(*service, now);
  } else {
    dispatch(*service, now);
  }
}

// One that its caller waits for until its deadline; without a payload yet.
Request& Core::take_request(Client& client, const proto::RequestItem& item, Service& service, Method* method,
                            TimePoint sent, TimePoint now) {
  Request& request = requests_.take();
  request.state = Request::State::queued;
  request.attempt = item.attempt;
  request.runs = 0;
  request.flags = item.flags;
  request.idempotent = (item.flags & proto::kIdempotent) != 0 || (method && method->idempotent);
  request.default_timeout = item.timeout_us == 0;
  request.default_priority = !item.has_priority;
  request.priority = item.has_priority || !method ? item.priority : method->priority;
  request.affinity =
      item.affinity.empty() ? 0 : std::max<std::uint64_t>(SipHash(0).add(item.affinity).value(), 1);
  request.id = item.id;
  request.client = &client;
  request.service = &service;
  request.method = method;
  if (item.flags & proto::kStream) request.stream = std::make_unique<Stream>(&request, item.window);
  request.queued_since = now;
  request.charged_us = service.cost_us(method);
  set_deadline(request, timeout_of(item, method), sent);
  client.outstanding.insert(request.id, request);
  timers_.set(request.timer, request.deadline);
  traces_.begin(request, item, client.name, sent, now);
  return request;
}

// Of requests that give none.
Duration Core::timeout_of(const Method* method) const {
  return method && method->timeout > Duration{} ? method->timeout : config_.default_timeout;
}

// What a request is granted.
Duration Core::timeout_of(const proto::RequestItem& item, const Method* method) const {
  return std::min(item.timeout_us > 0 ? std::chrono::microseconds(item.timeout_us) : timeout_of(method),
                  config_.max_timeout);
}

void Core::set_deadline(Request& request, Duration timeout, TimePoint sent) const {
  request.timeout_us =
      static_cast<float>(std::chrono::duration_cast<std::chrono::microseconds>(timeout).count());
  request.deadline = sent + timeout;
}

// A method that some worker has announced.
Method* Core::find_method(std::string_view name) {
  if (last_method_ && last_method_->full_name == name) return last_method_;
  const auto at = methods_.find(name);
  if (at == methods_.end()) return nullptr;
  return last_method_ = at->second;
}

// The service of a method that nobody has announced, where its requests are to wait for somebody. Else they have been
// answered: nullptr.
Service* Core::service_of(Client& client, const proto::RequestItem& item, TimePoint sent, TimePoint now) {
  const auto refuse = [&](Status status, std::string why) {
    refuse_request(client, item, status, error_at("broker", std::move(why)), now);
    return nullptr;
  };
  proto::MethodName name;
  if (!proto::split_method(item.method, name)) {
    return refuse(Status::bad_request,
                  "the method is not 'service.method' in letters, digits, '_', '-' and '.'");
  }
  if (name.service == kBuiltin) return answer_builtin(client, item, name.method, sent, now), nullptr;
  if (draining_) return refuse(Status::unavailable, kGoingAway);

  Service* service = find_service(name.service);
  const bool just_started = now - started_ < config_.startup_grace;
  if (!service && just_started) service = add_unknown_service(name.service, now);
  if (!service || (!service->known && !just_started)) {
    return refuse(Status::no_service,
                  "no service '" + std::string(name.service) +
                      "': no worker has announced it and the configuration does not name it; check the name, "
                      "or start it with samovar-worker");
  }
  if (service->methods.empty()) return service;
  refuse_request(client, item, Status::bad_request, unknown_method(*service, name.method), now);
  return nullptr;
}

// Value and ext of a reply, with the extensions that a caller asked for in addition, where there is room.
std::string Core::add_metadata(std::string_view value, std::string_view ext, std::uint64_t queued_us,
                               std::string_view worker) {
  constexpr std::size_t kAdded = 64;  // the two entries but for the name
  if (ext.size() + worker.size() + kAdded > limits::kMaxExtBytes) return std::string(value).append(ext);
  proto::Cursor cursor(ext);
  std::uint32_t entries = 0;
  if (!cursor.read_nil()) cursor.read_map(entries);
  std::string tail(value);
  proto::append_map(tail, entries + 2);
  tail.append(cursor.position(), static_cast<std::size_t>(ext.data() + ext.size() - cursor.position()));
  proto::append_str(tail, "queued_us");
  proto::append_uint(tail, queued_us);
  proto::append_str(tail, "worker");
  proto::append_str(tail, worker);
  return tail;
}

// --- dispatch --------------------------------------------------------------------------------------------

void Core::dispatch(Service& service, TimePoint now) {
  while (Request* request = service.queue.front()) {
    if (request->deadline <= now) {
      deadline_passed(*request, now);
      continue;
    }
    const auto estimate = request->method ? request->method->run_time.us() : std::nullopt;
    Worker* worker = request->affinity == 0 ? service.ready.pick(estimate)
                                            : service.ready.pick_for(request->affinity, estimate);
    if (!worker) break;
    hand_over(*request, *worker, now);
  }
  service.pace.at(now, !service.queue.empty(), service.ready.slots());
}

// The first worker of a service has named its methods: those who waited for it learn what they have called.
void Core::methods_known(Service& service, TimePoint now) {
  for (Request* request : service.queue.all()) {
    Method* method = find_method(*request->name);
    if (!method) {
      proto::MethodName name;
      proto::split_method(*request->name, name);
      end_early(*request, Status::bad_request, unknown_method(service, name.method), now);
      continue;
    }
    if (!request->stream == method->stream) {
      end_early(*request, Status::bad_request, error_at("queued", misused(*method)), now);
      continue;
    }
    if (auto why = schema_mismatch(*request->client, schema_of(*request), *method); !why.empty()) {
      end_early(*request, Status::schema_mismatch, error_at("queued", std::move(why)), now);
      continue;
    }
    service.queue.remove(*request);
    request->name.reset();
    request->method = method;
    request->charged_us = service.cost_us(method);
    request->idempotent = request->idempotent || method->idempotent;
    if (request->default_priority) request->priority = method->priority;
    if (request->default_timeout) {
      const TimePoint sent = request->deadline - std::min(config_.default_timeout, config_.max_timeout);
      set_deadline(*request, std::min(timeout_of(method), config_.max_timeout), sent);
      timers_.set(request->timer, request->deadline);
    }
    service.queue.push_back(*request);
  }
}

void Core::hand_over(Request& request, Worker& worker, TimePoint now) {
  Service& service = *request.service;
  const auto estimate_us = static_cast<float>(request.method->run_time.us().value_or(kUnmeasuredUs));
  service.queue.take_front(estimate_us);
  request.charged_us = estimate_us;
  request.state = Request::State::in_flight;
  request.worker = &worker;
  request.queued_us =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(to_us(now - request.queued_since), 0xffff'ffff));
  request.method->queued.add(request.queued_us);
  request.dispatch_id = static_cast<DispatchId>(++dispatch_serial_);
  request.runs += 1;
  in_flight_.insert(raw(request.dispatch_id), request);
  service.in_flight += 1;
  worker.held.push_back(request);
  worker.held_us += request.charged_us;
  service.ready.update(worker);
  counters_.dispatched += 1;
  traces_.dispatched(request, worker.name, now);

  const std::string_view tail = request.payload.view();
  proto::RequestItem item;
  item.id = raw(request.dispatch_id);
  item.attempt = request.attempt;
  item.flags = request.flags | (request.idempotent ? proto::kIdempotent : 0u);
  item.timeout_us = std::max<std::uint64_t>(to_us(request.deadline - now), 1);
  item.method = request.method->full_name;
  item.body = tail;
  item.ext = std::string_view(tail.data() + tail.size(), 0);
  outbox_.request(worker.peer, worker.epoch, now, item, request.payload.attachments());
  if (request.stream && request.stream->window > request.stream->first_window) tell_window(request);
}

// Takes a request from its worker: the credit is free again.
void Core::release(Request& request) {
  Worker& worker = *request.worker;
  in_flight_.erase(raw(request.dispatch_id));
  request.service->in_flight -= 1;
  if (request.state == Request::State::abandoned) request.service->abandoned -= 1;
  worker.held.remove(request);
  worker.held_us = worker.held.empty() ? 0 : std::max(0.0, worker.held_us - request.charged_us);
  if (worker.state == Worker::State::ready) request.service->ready.update(worker);
  request.worker = nullptr;
}

// A request that its worker did not answer goes back to the head of its client's line.
void Core::queue_again(Request& request, TimePoint now) {
  if (draining_) {
    settle(request, Status::unavailable, error_at("queued", kGoingAway), now);
    return forget(request);
  }
  request.state = Request::State::queued;
  request.attempt = static_cast<std::uint8_t>(std::min(request.attempt + 1, 255));
  request.queued_since = now;
  request.charged_us = request.service->cost_us(request.method);
  request.service->queue.push_front(request);
}

void Core::handle(const event::Replies& event, TimePoint now) {
  Worker* worker = worker_of(event.peer, event.epoch, now);
  if (!worker) return;
  std::size_t taken = 0;
  for (const auto& item : event.items) {
    take_reply(*worker, item, part_of(event.attachments, taken, item.attachments), now);
    taken += item.attachments;
  }
}

void Core::take_reply(Worker& worker, const proto::ReplyItem& item, const Frames& attachments,
                      TimePoint now) {
  Request* found = in_flight_.find(item.id);
  if (!found || found->worker != &worker || found->attempt != item.attempt) {
    counters_.late_replies += 1;
    return;
  }
  Request& request = *found;
  Service& service = *request.service;
  if (item.run_us > 0 || item.status == Status::ok) {
    request.method->run_time.sample(item.run_us);
    request.method->run.add(item.run_us);
    service.pace.ended(item.run_us);
  }
  release(request);
  if (item.status == Status::ok && request.method->suspects > 0)
    quarantine_.ran_well(*request.method, key_of(request));
  if (request.flight) {
    const bool dropped = item.status == Status::deadline_exceeded || item.status == Status::cancelled;
    if (dropped && flies_on(request, Outcome{item.status, item.run_us, item.tail()}, now)) {
      queue_again(request, now);
      return service_changed(service, now);  // this worker may have been the last one
    }
    if (request.client) land(request, item, worker, attachments, now);
  }
  if (request.client) {
    std::string_view tail = item.tail();
    std::string with_metadata;
    if (request.flags & proto::kMetadata) {
      with_metadata = add_metadata(item.value, item.ext, request.queued_us, worker.name);
      tail = with_metadata;
    }
    settle(request, Outcome{item.status, item.run_us, tail}, attachments, now);
  }
  forget(request);
  dispatch(service, now);
}

}  // namespace samovar::broker
