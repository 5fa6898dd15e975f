// What must hold between any two events. For tests, in every build: nothing here is an assert.
#include <cmath>

#include "broker/core/core.hpp"

namespace samovar::broker {
namespace {

// The worker's own books: credit, work, and that each request it holds knows it.
const char* check(const Worker& worker) {
  double held_us = 0;
  for (const Request* request = worker.held.front(); request; request = worker.held.next(*request)) {
    if (request->worker != &worker) return "a request is held by another worker than it says";
    if (request->service != worker.service) return "a worker holds a request of another service";
    if (request->state == Request::State::queued) return "a worker holds a queued request";
    held_us += request->charged_us;
  }
  if (worker.held.size() > worker.credit) return "a worker holds more than its credit";
  if (std::abs(worker.held_us - held_us) > 1e-3 * (1 + held_us))
    return "a worker's estimated work is not that of its requests";
  if (worker.state == Worker::State::greeted && (worker.service || !worker.held.empty())) {
    return "a worker that has not said READY has a service or a request";
  }
  if (worker.state != Worker::State::greeted && !worker.service) return "a worker has no service";
  if (List<Worker, &Worker::in_roster>::is_linked(worker) != (worker.state == Worker::State::ready)) {
    return "a worker that is not ready is chosen from, or one that is ready is not";
  }
  if ((worker.state == Worker::State::dying) != worker.timer.is_set()) return "a dying worker is not awaited";
  return nullptr;
}

const char* check(const Request& request) {
  const bool abandoned = request.state == Request::State::abandoned;
  const bool queued = request.state == Request::State::queued || request.state == Request::State::commanded ||
                      request.state == Request::State::following;
  if (abandoned != !request.client)
    return "a request's caller has heard, but it is not abandoned, or the reverse";
  if (queued != !request.worker) return "a queued request has a worker, or one in flight has none";
  if (abandoned == request.timer.is_set())
    return "a request whose caller waits has no deadline, or the reverse";
  if (!request.stream != ((request.flags & proto::kStream) == 0))
    return "a stream without its flag, or the reverse";
  if (request.stream) {
    const Stream& stream = *request.stream;
    const bool rests = request.state == Request::State::in_flight && stream.items == stream.window;
    if (stream.items > stream.window) return "a stream has sent more items than its reader takes";
    if (queued && stream.items > 0) return "a stream that has sent items is queued again";
    if (stream.idle.is_set() != rests) return "a stream waits for its reader without an end, or the reverse";
  }
  if (request.client) {
    if (request.client->outstanding.find(request.id) != &request) return "a client does not know its request";
  }
  return nullptr;
}

}  // namespace

const char* Core::check_invariants() const {
  struct Tally {
    std::size_t queued = 0, queued_bytes = 0, in_flight = 0, abandoned = 0, ready = 0, workers = 0,
                holders = 0;
  };
  std::unordered_map<const Service*, Tally> tallies;
  std::size_t outstanding = 0;
  std::size_t with_caller = 0;
  std::vector<Request*> requests = in_flight_.all();
  for (const auto& [name, service] : services_) {
    const auto queued = service->queue.all();
    requests.insert(requests.end(), queued.begin(), queued.end());
  }
  std::vector<Request*> followers;
  for (const auto& [hash, flight] : flights_) {
    if (flight.leader->flight != &flight) return "a leader does not know its flight";
    if (!flight.leader->client) return "a leader has no caller";
    if (flight.leader->state == Request::State::following) return "a leader follows";
    for (Request* request = flight.followers.front(); request; request = flight.followers.next(*request)) {
      if (request->flight != &flight) return "a follower does not know its flight";
      if (request->state != Request::State::following) return "a follower is in another state";
      if (request->method != flight.leader->method) return "a follower called another method than its leader";
      followers.push_back(request);
    }
  }
  for (const Request* request : requests) {
    if (!request->flight) continue;
    const auto at = flights_.find(request->flight->hash);
    if (at == flights_.end() || at->second.leader != request)
      return "a request leads a flight that is not there";
  }
  requests.insert(requests.end(), followers.begin(), followers.end());
  for (const auto& [id, errand] : errands_) {
    requests.push_back(errand.request);
    if (raw(errand.request->dispatch_id) != id) return "a command is not found by its request";
    if (errand.request->state != Request::State::commanded)
      return "a command is of a request in another state";
  }
  if (requests.size() != requests_.size()) return "a request is neither queued, in flight nor commanded";
  for (const Request* request : requests) {
    if (const char* broken = check(*request)) return broken;
    Tally& tally = tallies[request->service];
    with_caller += request->client ? 1 : 0;
    if (request->state == Request::State::commanded || request->state == Request::State::following) continue;
    if (request->state == Request::State::queued) {
      tally.queued += 1;
      tally.queued_bytes += request->payload.bytes();
      continue;
    }
    tally.in_flight += 1;
    if (request->state == Request::State::abandoned) tally.abandoned += 1;
    if (in_flight_.find(raw(request->dispatch_id)) != request)
      return "a request in flight is not found by its id";
  }
  std::size_t held = 0;
  for (const auto& [peer, worker] : workers_) {
    if (const char* broken = check(*worker)) return broken;
    const auto at = workers_by_epoch_.find(raw(worker->epoch));
    if (at == workers_by_epoch_.end() || at->second != worker.get())
      return "a worker is not found by its epoch";
    held += worker->held.size();
    if (!worker->service) continue;
    tallies[worker->service].workers += 1;
    if (worker->state == Worker::State::ready) tallies[worker->service].ready += 1;
  }
  if (workers_by_epoch_.size() != workers_.size()) return "an epoch has a worker that is gone";
  if (held != in_flight_.size()) return "workers hold other requests than are in flight";
  for (const auto& [peer, client] : clients_) {
    outstanding += client->outstanding.size();
    if (client->outstanding.size() > config_.max_outstanding_per_client)
      return "a client has more requests outstanding than it may";
  }
  if (outstanding != with_caller) return "clients have other requests outstanding than wait for an outcome";
  for (const auto& [peer, supervisor] : supervisors_) {
    const auto at = supervisor->holds() ? services_.find(supervisor->pool->service) : services_.end();
    if (at != services_.end()) tallies[at->second.get()].holders += 1;
  }
  for (const auto& [name, service] : services_) {
    const Tally tally = tallies[service.get()];
    if (name.data() != service->name.data()) return "a service's key is not its own name";
    if (service->queue.size() != tally.queued)
      return "a queue has another length than there are queued requests";
    if (service->queue.bytes() != tally.queued_bytes) return "a queue has other bytes than its requests";
    if (service->in_flight != tally.in_flight) return "a service counts its requests in flight wrongly";
    if (service->abandoned != tally.abandoned) return "a service counts its abandoned requests wrongly";
    if (service->ready.size() != tally.ready) return "a service counts its ready workers wrongly";
    if (service->workers != tally.workers) return "a service counts its workers wrongly";
    if (service->holders != tally.holders) return "a service counts its pools wrongly";
    if (service->is_deserted() && !service->queue.empty() && !service->deserted.is_set()) {
      return "requests wait for a service that has nobody, without an end";
    }
    if (!service->queue.empty() && service->ready.pick(std::nullopt))
      return "a request waits while a worker is idle";
    if (!service->known && !service->deserted.is_set()) return "an unknown service is kept without an end";
  }
  if (tallies.size() > services_.size()) return "something belongs to a service that is gone";
  return nullptr;
}

}  // namespace samovar::broker
