#include "broker/tracer.hpp"

#include <httplib.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "broker/options.hpp"

namespace samovar::broker {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

// A second's worth of a heavily traced broker; beyond it the oldest are dropped.
constexpr std::size_t kMostWaiting = 20'000;
constexpr std::size_t kBatch = 500;
constexpr auto kEvery = 1s;
constexpr auto kPatience = 2s;  // of one POST
constexpr auto kComplainEvery = 10s;

// OTLP's numbers.
constexpr int kInternal = 1;
constexpr int kServer = 2;
constexpr int kError = 2;

// "http://HOST:PORT" of an endpoint; what follows is its path.
std::string host_of(const std::string& endpoint) {
  constexpr std::string_view kScheme = "http://";
  if (!endpoint.starts_with(kScheme) || endpoint.size() == kScheme.size()) {
    throw BadOptions(
        "traces.endpoint '" + endpoint +
        "' is not http://HOST:PORT, with or without a path; a collector beyond this machine is best "
        "reached through one that runs here");
  }
  return endpoint.substr(0, endpoint.find('/', kScheme.size()));
}

std::string path_of(const std::string& endpoint) {
  const auto path = endpoint.substr(host_of(endpoint).size());
  return path.empty() || path == "/" ? "/v1/traces" : path;
}

std::string span_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id(16, '0');
  for (auto number = random() | 1; auto& digit : id) {
    digit = kDigits[number & 15];
    number >>= 4;
  }
  return id;
}

Json attribute(const char* key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

class Spans {
 public:
  Spans() {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    offset_ = std::chrono::nanoseconds(wall) - std::chrono::nanoseconds(steady);
  }

  // The call as its client sees it, with what the broker did with it inside.
  void add(const Trace& trace) {
    const bool ran = trace.dispatched != TimePoint{};
    const std::string id = span_id();
    Json& call = span(trace, id, trace.parent_id, trace.method, kServer, trace.sent, trace.ended);
    call["attributes"] = {attribute("rpc.system", "samovar"), attribute("rpc.method", trace.method),
                          attribute("samovar.client", trace.client),
                          attribute("samovar.outcome", std::string(to_word(trace.status)))};
    if (trace.status != Status::ok) {
      call["status"] = {{"code", kError}, {"message", std::string(to_word(trace.status))}};
    }
    span(trace, span_id(), id, trace.method + " queued", kInternal, trace.accepted,
         ran ? trace.dispatched : trace.ended);
    if (!ran) return;
    Json& running =
        span(trace, span_id(), id, trace.method + " running", kInternal, trace.dispatched, trace.ended);
    running["attributes"] = {
        attribute("samovar.worker", trace.worker),
        {{"key", "samovar.attempt"}, {"value", {{"intValue", std::to_string(trace.attempt)}}}}};
  }

  std::string text() && {
    const Json resource{{"attributes",
                         {attribute("service.name", "samovard"),
                          attribute("service.instance.id", std::to_string(getpid()))}}};
    const Json scoped{{"scope", {{"name", "samovar"}}}, {"spans", std::move(spans_)}};
    const Json all{{"resourceSpans", {{{"resource", resource}, {"scopeSpans", {scoped}}}}}};
    return all.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  Json& span(const Trace& trace, const std::string& id, const std::string& parent, const std::string& name,
             int kind, TimePoint from, TimePoint to) {
    spans_.push_back({{"traceId", trace.trace_id},
                      {"spanId", id},
                      {"parentSpanId", parent},
                      {"name", name},
                      {"kind", kind},
                      {"startTimeUnixNano", nanoseconds(from)},
                      {"endTimeUnixNano", nanoseconds(to)}});
    return spans_.back();
  }

  std::string nanoseconds(TimePoint at) const {
    return std::to_string((std::chrono::nanoseconds(at.time_since_epoch()) + offset_).count());
  }

  std::chrono::nanoseconds offset_{};
  Json spans_ = Json::array();
};

}  // namespace

Tracer::Tracer(const std::string& endpoint)
    : host_(host_of(endpoint)),
      path_(path_of(endpoint)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Tracer::~Tracer() = default;

void Tracer::add(std::vector<Trace>&& traces, std::uint64_t dropped) {
  {
    const std::lock_guard lock(mutex_);
    dropped_ += dropped;
    for (auto& trace : traces) waiting_.push_back(std::move(trace));
    for (; waiting_.size() > kMostWaiting; ++dropped_) waiting_.pop_front();
    if (waiting_.size() < kBatch) return;
  }
  wake_.notify_one();
}

void Tracer::run(const std::stop_token& stop) {
  std::chrono::steady_clock::time_point complained{};
  for (bool ending = false; !ending;) {
    std::vector<Trace> batch;
    std::uint64_t dropped = 0;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kEvery, [&] { return waiting_.size() >= kBatch; });
      ending = stop.stop_requested() && waiting_.size() <= kBatch;
      const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kBatch));
      std::move(waiting_.begin(), waiting_.begin() + count, std::back_inserter(batch));
      waiting_.erase(waiting_.begin(), waiting_.begin() + count);
      dropped = std::exchange(dropped_, 0);
    }
    if (batch.empty()) continue;
    const bool taken = post(batch);
    if (taken && dropped == 0) continue;
    if (stop.stop_requested()) return;
    const std::lock_guard lock(mutex_);
    dropped_ += dropped + (taken ? 0 : batch.size());
    if (const auto now = std::chrono::steady_clock::now(); now - complained >= kComplainEvery) {
      spdlog::warn("traces of {} calls were not taken by {}{}: is a collector running there?",
                   std::exchange(dropped_, 0), host_, path_);
      complained = now;
    }
  }
}

bool Tracer::post(const std::vector<Trace>& batch) {
  Spans spans;
  for (const auto& trace : batch) spans.add(trace);
  httplib::Client client(host_);
  client.set_connection_timeout(kPatience);
  client.set_read_timeout(kPatience);
  client.set_write_timeout(kPatience);
  const auto response = client.Post(path_, std::move(spans).text(), "application/json");
  return response && response->status >= 200 && response->status < 300;
}

}  // namespace samovar::broker
