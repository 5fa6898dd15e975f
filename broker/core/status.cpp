// What `samovar services` and `samovar status` show: maps of counts and states. Keys may be added, never changed.
#include <algorithm>

#include "broker/core/core.hpp"
#include "broker/core/pack.hpp"

namespace samovar::broker {
namespace {

// Of what a worker runs at the same time.
constexpr std::size_t kMostShown = 8;

std::string_view state_of(const Service& service) {
  if (service.ready.size() > 0) return "ready";
  if (!service.failed.empty()) return "failed";
  return service.is_held() ? "loading" : "no_workers";
}

void pack_outcomes(Packer& packer, const std::array<std::uint64_t, kStatusCount>& outcomes) {
  packer.pack_map(kStatusCount);
  for (std::uint8_t i = 0; i < kStatusCount; ++i) entry(packer, to_word(static_cast<Status>(i)), outcomes[i]);
}

void pack_histogram(Packer& packer, std::string_view key, const Histogram& histogram) {
  packer.pack(key);
  packer.pack_map(2);
  entry(packer, "counts", histogram.counts());
  entry(packer, "sum_us", histogram.sum_us());
}

void pack_method(Packer& packer, const Method& method) {
  packer.pack_map(11);
  pack_histogram(packer, "queued", method.queued);
  pack_histogram(packer, "run", method.run);
  entry(packer, "name", method.name);
  entry(packer, "idempotent", method.idempotent);
  entry(packer, "pure", method.pure);
  entry(packer, "stream", method.stream);
  entry(packer, "priority", static_cast<int>(method.priority));
  entry(packer, "timeout_us", to_us(method.timeout));
  entry(packer, "hard_timeout_us", to_us(method.hard_timeout));
  packer.pack(std::string_view("run_us_estimate"));
  method.run_time.us() ? packer.pack(*method.run_time.us()) : packer.pack_nil();
  packer.pack(std::string_view("outcomes"));
  pack_outcomes(packer, method.outcomes);
}

// What it runs: the first that it holds, as many as it runs at the same time. It may have done some of them, and not yet
// sent the bundle in which they are.
void pack_running(Packer& packer, const Worker& worker, TimePoint now) {
  const auto count = std::min<std::size_t>({worker.held.size(), worker.concurrency, kMostShown});
  packer.pack(std::string_view("running"));
  packer.pack_array(static_cast<std::uint32_t>(count));
  const Request* request = worker.held.front();
  for (std::size_t i = 0; i < count; ++i, request = worker.held.next(*request)) {
    packer.pack_map(2);
    entry(packer, "method", request->method->full_name);
    entry(packer, "for_us", to_us(now - request->queued_since) - request->queued_us);
  }
}

void pack_worker(Packer& packer, const Worker& worker, TimePoint now) {
  packer.pack_map(8);
  entry(packer, "name", worker.name);
  entry(packer, "pid", worker.pid);
  entry(packer, "state", to_word(worker.state));
  entry(packer, "in_flight", worker.held.size());
  entry(packer, "credit", worker.credit);
  entry(packer, "concurrency", worker.concurrency);
  entry(packer, "generation", worker.generation);
  pack_running(packer, worker, now);
}

void pack_pool(msgpack::sbuffer& buffer, Packer& packer, const Supervisor& supervisor) {
  const proto::Pool& pool = *supervisor.pool;
  packer.pack_map(8);
  entry(packer, "supervisor", supervisor.name);
  entry(packer, "pid", supervisor.pid);
  entry(packer, "state", to_word(pool.state));
  entry(packer, "wanted", pool.wanted);
  entry(packer, "alive", pool.alive);
  entry(packer, "restarts", pool.restarts);
  entry(packer, "reason", pool.reason);
  raw_entry(buffer, packer, "detail", pool.detail);
}

}  // namespace

std::string Core::services() const {
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  packer.pack_array(static_cast<std::uint32_t>(services_.size()));
  for (const auto& [name, service] : services_) {
    packer.pack_map(4);
    entry(packer, "name", service->name);
    entry(packer, "state", state_of(*service));
    entry(packer, "workers", service->ready.size());
    packer.pack(std::string_view("methods"));
    packer.pack_array(static_cast<std::uint32_t>(service->methods.size()));
    for (const auto& [method_name, method] : service->methods) packer.pack(method_name);
  }
  return {buffer.data(), buffer.size()};
}

std::string Core::status(TimePoint now) const {
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  packer.pack_map(7);
  entry(packer, "bounds_us", Histogram::kBoundsUs);

  packer.pack(std::string_view("broker"));
  packer.pack_map(8);
  entry(packer, "software", config_.software);
  entry(packer, "id", config_.broker_id);
  entry(packer, "pid", config_.pid);
  entry(packer, "state", std::string_view(draining_ ? "draining" : "serving"));
  entry(packer, "uptime_s", std::chrono::duration<double>(now - started_).count());
  entry(packer, "endpoints", config_.endpoints);
  entry(packer, "supervisors", supervisors_.size());
  entry(packer, "connections", connections_);

  std::unordered_map<const Service*, std::vector<const Worker*>> workers;
  for (const auto& [peer, worker] : workers_) workers[worker->service].push_back(worker.get());
  std::unordered_map<std::string_view, std::vector<const Supervisor*>> pools;  // by service
  for (const auto& [peer, supervisor] : supervisors_) {
    if (supervisor->pool) pools[supervisor->pool->service].push_back(supervisor.get());
  }

  packer.pack(std::string_view("services"));
  packer.pack_array(static_cast<std::uint32_t>(services_.size()));
  for (const auto& [name, service] : services_) {
    packer.pack_map(11);
    entry(packer, "name", service->name);
    entry(packer, "schemas", service->announced.schemas());
    entry(packer, "state", state_of(*service));
    entry(packer, "reason", service->last_failed);
    entry(packer, "queued", service->queue.size());
    entry(packer, "queued_bytes", service->queue.bytes());
    entry(packer, "in_flight", service->in_flight - service->abandoned);
    entry(packer, "abandoned", service->abandoned);
    const auto& own = workers[service.get()];
    packer.pack(std::string_view("workers"));
    packer.pack_array(static_cast<std::uint32_t>(own.size()));
    for (const Worker* worker : own) pack_worker(packer, *worker, now);
    const auto& own_pools = pools[service->name];
    packer.pack(std::string_view("pools"));
    packer.pack_array(static_cast<std::uint32_t>(own_pools.size()));
    for (const Supervisor* supervisor : own_pools) pack_pool(buffer, packer, *supervisor);
    packer.pack(std::string_view("methods"));
    packer.pack_array(static_cast<std::uint32_t>(service->methods.size()));
    for (const auto& [method_name, method] : service->methods) pack_method(packer, method);
  }

  entry(packer, "clients", clients_.size());
  raw_entry(buffer, packer, "quarantine", quarantine_.pack(now));
  packer.pack(std::string_view("counters"));
  packer.pack_map(kCounters.size());
  for (const auto& counter : kCounters) entry(packer, counter.name, counters_.*counter.value);
  packer.pack(std::string_view("outcomes"));
  pack_outcomes(packer, outcomes_);
  return {buffer.data(), buffer.size()};
}

}  // namespace samovar::broker
