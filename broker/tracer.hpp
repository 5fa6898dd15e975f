// Sends the spans of traced calls to a collector, as OTLP over HTTP in JSON, from a thread of its own. The loop only hands them
// over: what the collector does not take in time is dropped and counted.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "broker/core/traces.hpp"

namespace samovar::broker {

class Tracer {
 public:
  // `endpoint` is http://HOST[:PORT][/PATH]; without a path /v1/traces. Throws BadOptions.
  explicit Tracer(const std::string& endpoint);
  // Sends what it has; a collector that does not answer holds it up for two seconds.
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Never waits for the collector. `dropped` more could not be kept.
  void add(std::vector<Trace>&& traces, std::uint64_t dropped);

 private:
  void run(const std::stop_token& stop);
  bool post(const std::vector<Trace>& batch);

  const std::string host_;
  const std::string path_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Trace> waiting_;
  std::uint64_t dropped_ = 0;  // not yet told
  std::jthread thread_;
};

}  // namespace samovar::broker
