// A service: its methods, its workers, its queue.
#pragma once

#include <map>
#include <string>

#include "broker/core/estimate.hpp"
#include "broker/core/histogram.hpp"
#include "broker/core/queue.hpp"
#include "broker/core/schemas.hpp"
#include "broker/core/worker.hpp"

namespace samovar::broker {

struct Service;

struct Method {
  std::string name;       // without the service
  std::string full_name;  // "service.method"
  Service* service = nullptr;
  bool idempotent = false;
  bool pure = false;
  std::uint32_t suspects = 0;  // Quarantine's: how many requests of it were running at deaths
  bool stream = false;
  bool cancel = false;                                 // its workers take CANCEL
  proto::Priority priority = proto::Priority::normal;  // of requests that name none
  Duration timeout{};                                  // of requests that name none; 0: the broker's default
  Duration hard_timeout{};                             // its supervisor's; shown only
  RunTime run_time;
  Histogram queued;
  Histogram run;
  std::array<std::uint64_t, kStatusCount> outcomes{};  // by status
};

struct Service {
  explicit Service(std::string service_name) : name(std::move(service_name)) {}

  const std::string name;
  bool known = false;       // configured, or announced by a worker or a supervisor
  bool configured = false;  // this broker starts its pool: requests wait for it until it has failed
  std::map<std::string, Method, std::less<>> methods;
  Announced announced;         // of its workers' schemas
  bool conflict_told = false;  // that they are not one, since they last were

  Roster ready;
  std::size_t workers = 0;  // in any state
  Queue queue;
  std::size_t in_flight = 0;
  std::size_t abandoned = 0;

  // Pools that are loading or serving: while there is one, requests wait for its workers.
  std::size_t holders = 0;
  std::string failed;       // why its pool gave up; empty: it did not, or is being tried again
  std::string last_failed;  // the same, until a worker is ready

  // Since when nobody is there to run its requests and nobody is bringing one up.
  TimePoint deserted_since{};
  Timer deserted{Timer::Kind::service, this};

  Pace pace;
  RetryBudget retries;

  // What one request takes of a slot's time; 0 for what has not been measured.
  float cost_us(const Method* method) const {
    return method && method->run_time.us()
               ? static_cast<float>(method->run_time.mean_us() + pace.overhead_us())
               : 0;
  }
  bool is_held() const { return holders > 0 || (configured && failed.empty()); }
  bool is_deserted() const { return ready.size() == 0 && !is_held(); }
};

}  // namespace samovar::broker
