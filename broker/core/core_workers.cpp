// A worker from READY to its end, and the supervisor that speaks for it.
#include <cassert>

#include "broker/core/core.hpp"
#include "proto/control.hpp"

namespace samovar::broker {
namespace {

// A peer's microseconds, as many as fit.
Duration bounded_us(std::uint64_t us) {
  return std::chrono::microseconds(std::min<std::uint64_t>(us, to_us(std::chrono::hours(24 * 365))));
}

}  // namespace

void Core::handle(const event::Ready& event, TimePoint now) {
  Worker* worker = worker_of(event.peer, event.epoch, now);
  if (!worker) return;
  const proto::Ready& ready = event.ready;
  if (worker->state != Worker::State::greeted)
    return refuse(Side::backend, event.peer, "READY was said already", now);
  if (ready.service == "samovar") {
    return refuse(Side::backend, event.peer, "the name 'samovar' is the broker's own", now);
  }
  if (may_not_provide(event.peer, ready.service, now)) return;
  Service* service = add_service(ready.service);
  if (!service) return refuse(Side::backend, event.peer, "this broker has as many services as it takes", now);
  service->known = true;
  const bool first = service->methods.empty();
  for (const auto& [name, info] : ready.methods) {
    if (service->methods.size() >= limits::kMaxMethods && !service->methods.contains(name)) continue;
    Method& method = service->methods[name];
    if (!method.service) {
      method.name = name;
      method.full_name = service->name + "." + name;
      method.service = service;
      methods_.emplace(method.full_name, &method);
    }
    method.idempotent = info.idempotent || info.pure;
    method.pure = info.pure && !info.stream;
    method.stream = info.stream;
    method.cancel = info.cancel || info.stream;
    method.priority = info.priority;
    method.timeout = bounded_us(info.timeout_us);
    method.hard_timeout = bounded_us(info.hard_timeout_us);
  }
  worker->service = service;
  worker->supervisor = ready.supervisor;
  worker->brokers = ready.brokers;
  worker->uid = ready.uid ? ready.uid : raw(worker->epoch);
  worker->generation = ready.generation;
  worker->schema = ready.schema.empty() ? 0 : ready.schema_hash;
  announce_schema(*worker, ready.schema);
  if (first) methods_known(*service, now);
  service->last_failed.clear();
  if (quarantine_.size() > 0) quarantine_.another_generation(*service, ready.generation);
  worker->state = Worker::State::ready;
  worker->credit = ready.credit;
  worker->concurrency = ready.concurrency;
  if (ready.pid) worker->pid = ready.pid;
  if (!ready.name.empty()) worker->name = ready.name;
  service->workers += 1;
  service->ready.add(*worker);
  outbox_.note(Note::Level::info, "worker",
               "worker '" + worker->name + "' is ready for service '" + service->name + "'");
  service_changed(*service, now);
}

void Core::handle(const event::Brokers& event, TimePoint now) {
  Worker* worker = worker_of(event.peer, event.epoch, now);
  if (!worker) return;
  if (worker->state == Worker::State::greeted)
    return refuse(Side::backend, event.peer, "BROKERS was said before READY", now);
  worker->brokers = event.count;
  if (worker->state != Worker::State::ready) return;
  worker->service->ready.update(*worker);
  dispatch(*worker->service, now);
}

void Core::handle(const event::Drain& event, TimePoint now) {
  Worker* worker = worker_of(event.peer, event.epoch, now);
  if (!worker) return;
  if (worker->state == Worker::State::ready) {
    retire(*worker, now);
    worker->state = Worker::State::draining;
  }
  outbox_.control(Side::backend, event.peer,
                  proto::encode(proto::Kind::drained, raw(worker->epoch), proto::Notice{}));
}

void Core::handle(const event::Obituary& event, TimePoint now) {
  Supervisor* supervisor = supervisor_of(event.peer, event.epoch, now);
  if (!supervisor) return;
  const auto at = workers_by_epoch_.find(event.obituary.worker_epoch);
  if (at == workers_by_epoch_.end()) return;  // it has been buried without it
  Worker& worker = *at->second;
  if (worker.state == Worker::State::greeted) return;  // it has not said whose it is, and holds nothing
  if (worker.supervisor.empty() || worker.supervisor != supervisor->token) {
    return refuse(Side::backend, event.peer, "an obituary for a worker of another supervisor", now);
  }
  worker.obituary = event.obituary;
  dying(worker, now);
}

// No more requests for this worker.
void Core::retire(Worker& worker, TimePoint now) {
  if (worker.state != Worker::State::ready) return;
  worker.service->ready.remove(worker);
  worker.service->announced.remove(announcement_of(worker));
  worker.state = Worker::State::draining;
  service_changed(*worker.service, now);
}

// One of the two signs of death has come: wait a little for the other, so that worker_lost can say why, and that
// replies which were on their way still count.
void Core::dying(Worker& worker, TimePoint now) {
  const bool lost_in_service = worker.state == Worker::State::ready;
  retire(worker, now);
  if (lost_in_service) counters_.workers_lost += 1;
  worker.lost_in_service = worker.lost_in_service || lost_in_service;
  const bool complete = worker.connection_lost && (worker.obituary || !supervised(worker));
  if (worker.state == Worker::State::greeted || complete) return bury(worker, now);
  if (worker.state != Worker::State::dying) {
    worker.state = Worker::State::dying;
    timers_.set(worker.timer, now + (worker.obituary ? config_.last_replies : config_.obituary_wait));
  }
}

bool Core::supervised(const Worker& worker) const {
  if (worker.supervisor.empty()) return false;
  for (const auto& [peer, supervisor] : supervisors_) {
    if (supervisor->token == worker.supervisor) return true;
  }
  return false;
}

// Ends all that the worker held, and forgets it.
void Core::bury(Worker& worker, TimePoint now) {
  retire(worker, now);
  timers_.cancel(worker.timer);
  Service* service = worker.service;
  bool to_sweep = false;
  if (service) {
    std::string text = "worker '" + worker.name + "' of service '" + service->name + "' is gone";
    if (worker.obituary && !worker.obituary->reason.empty()) text += ": " + worker.obituary->reason;
    if (!worker.held.empty()) text += "; it held " + std::to_string(worker.held.size()) + " requests";
    outbox_.note(worker.held.empty() ? Note::Level::info : Note::Level::warning, "worker", std::move(text));
    to_sweep = record_death(worker, now);
  }
  std::vector<Request*> again;
  while (Request* request = worker.held.front()) {
    release(*request);
    if (runs_again(worker, *request, now)) again.push_back(request);
  }
  // From the last to the first, since each goes to the head of its client's line.
  for (auto request = again.rbegin(); request != again.rend(); ++request) queue_again(**request, now);
  if (to_sweep) sweep(*service, now);
  if (service) service->workers -= 1;
  workers_by_epoch_.erase(raw(worker.epoch));
  workers_.erase(raw(worker.peer));
  if (service) service_changed(*service, now);
}

// As far as is known. Without a board a lone request must have been it. A worker that ended by itself ran nothing then,
// unless the board says so: it has only lost its connection before its replies had left.
bool Core::was_running(const Worker& worker, const Request& request) const {
  if (!worker.obituary) return false;
  const proto::Obituary& obituary = *worker.obituary;
  if (obituary.exit_code == 0u && !obituary.running) return false;
  if (!obituary.last_started) return worker.held.size() == 1;
  const std::uint64_t id = raw(request.dispatch_id);
  if (worker.concurrency > 1) return id <= *obituary.last_started;
  return id == *obituary.last_started && obituary.running;
}

// A worker that was drained and ends is no death. True when requests are refused from now on for what they did.
bool Core::record_death(const Worker& worker, TimePoint now) {
  static const proto::Obituary kNone;
  const proto::Obituary& obituary = worker.obituary ? *worker.obituary : kNone;
  const bool crashed = obituary.signal || obituary.exit_code.value_or(0) != 0;
  if (!crashed && !worker.lost_in_service) return false;
  Death death;
  death.when_us = wall_us(now);
  death.service = worker.service->name;
  death.worker = worker.name;
  death.pid = obituary.pid.value_or(worker.pid);
  death.generation = worker.generation;
  death.reason = worker.obituary ? obituary.reason : "its connection broke";
  death.signal = obituary.signal;
  death.exit_code = obituary.exit_code;
  death.out_of_memory = obituary.out_of_memory;
  death.stderr_lines = obituary.stderr_lines;
  death.stack = obituary.stack;
  for (const Request* request = worker.held.front(); request; request = worker.held.next(*request)) {
    if (was_running(worker, *request)) death.running.push_back(request->method->full_name);
  }
  const bool refused = suspect(worker, death, now);
  counters_.deaths += 1;
  deaths_.add(std::move(death));
  return refused;
}

// What becomes of a request whose worker is gone: false when it has ended.
bool Core::runs_again(Worker& worker, Request& request, TimePoint now) {
  if (!request.client) return forget(request), false;
  const auto& obituary = worker.obituary;
  const bool heard_something = request.stream && request.stream->items > 0;
  const bool never_begun = !heard_something && obituary && obituary->last_started &&
                           raw(request.dispatch_id) > *obituary->last_started;
  if (never_begun && request.attempt < 255) {
    request.runs -= 1;
    counters_.requeued += 1;
    return true;
  }
  const bool may_run_twice = request.idempotent && !heard_something && request.runs < limits::kMaxAttempts &&
                             request.deadline > now && request.attempt < 255 && !draining_ &&
                             !is_quarantined(request, now);
  if (may_run_twice && request.service->retries.spend()) {
    counters_.retried += 1;
    return true;
  }
  settle(request, Status::worker_lost, worker_lost_error(worker, request), now);
  forget(request);
  return false;
}

proto::ErrorValue Core::worker_lost_error(const Worker& worker, const Request& request) const {
  proto::ErrorValue error;
  error.where = "running";
  error.message = "worker '" + worker.name + "' ";
  if (!worker.obituary) {
    error.message += "is gone: its connection broke while it held this request";
    if (worker.pid) error.pid = worker.pid;
    return error;
  }
  const proto::Obituary& obituary = *worker.obituary;
  error.message += obituary.reason.empty() ? "died" : obituary.reason;
  if (obituary.last_started) {
    const bool ran =
        worker.concurrency > 1 || (raw(request.dispatch_id) == *obituary.last_started && obituary.running);
    error.message += ran ? " while it ran this request" : " before its finished reply had left";
  } else {
    error.message += " while it held this request";
  }
  error.pid = obituary.pid;
  error.signal = obituary.signal;
  error.exit_code = obituary.exit_code;
  error.stderr_lines = obituary.stderr_lines;
  error.stack = obituary.stack;
  return error;
}

// --- pools -----------------------------------------------------------------------------------------------

void Core::handle(const event::Pool& event, TimePoint now) {
  Supervisor* supervisor = supervisor_of(event.peer, event.epoch, now);
  if (!supervisor) return;
  if (may_not_provide(event.peer, event.pool.service, now)) return;
  Service* service = add_service(event.pool.service);
  if (!service) return refuse(Side::backend, event.peer, "this broker has as many services as it takes", now);
  service->known = true;
  update_pool(*supervisor, event.pool, now);
}

void Core::update_pool(Supervisor& supervisor, std::optional<proto::Pool> pool, TimePoint now) {
  Service* before = supervisor.pool ? find_service(supervisor.pool->service) : nullptr;
  if (before && supervisor.holds()) before->holders -= 1;
  supervisor.pool = std::move(pool);
  Service* after = supervisor.pool ? find_service(supervisor.pool->service) : nullptr;
  if (after && supervisor.holds()) {
    after->holders += 1;
    after->failed.clear();
  }
  if (after && supervisor.pool->state == proto::PoolState::failed) {
    after->failed = supervisor.pool->reason.empty() ? "no reason given" : supervisor.pool->reason;
    after->last_failed = after->failed;
  }
  if (before && before != after) service_changed(*before, now);
  if (after) service_changed(*after, now);
}

}  // namespace samovar::broker
