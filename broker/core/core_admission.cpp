// What is refused before it is queued: nothing ran, and the caller hears at once when to try again.
#include <algorithm>
#include <cmath>

#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"

namespace samovar::broker {
namespace {

using namespace std::chrono_literals;

// An estimate of how long a queue takes is off by a tenth easily.
constexpr double kMargin = 1.1;

std::string ms_of(Duration duration) {
  return std::to_string(std::lround(std::chrono::duration<double, std::milli>(duration).count())) + " ms";
}

}  // namespace

bool Core::refuse_overloaded(const Client& client, const proto::RequestItem& item, Duration retry_after,
                             std::string message, TimePoint now) {
  proto::ErrorValue error = error_at("broker", std::move(message));
  error.retry_after_us = to_us(std::clamp<Duration>(retry_after, 1ms, 10s));
  refuse_request(client, item, Status::overloaded, std::move(error), now);
  return true;
}

// No room, for any request.
bool Core::refuse_at_the_door(Client& client, const proto::RequestItem& item, std::size_t bytes,
                              Service& service, TimePoint now) {
  if (draining_) {
    refuse_request(client, item, Status::unavailable, error_at("broker", kGoingAway), now);
    return true;
  }
  const auto full = [&](const std::string& what, const char* limit) {
    return refuse_overloaded(client, item, service.pace.time_for(service.queue.size()),
                             what + " (" + limit + ")", now);
  };
  if (client.outstanding.size() >= config_.max_outstanding_per_client) {
    return full("this client has " + std::to_string(client.outstanding.size()) +
                    " requests outstanding, which is the limit",
                "max_outstanding_per_client");
  }
  if (client.queued_bytes + bytes > config_.max_queued_bytes_per_client) {
    return full("this client has " + std::to_string(client.queued_bytes) +
                    " bytes queued, and no more may be than the limit",
                "max_queued_bytes_per_client");
  }
  const Queue& queue = service.queue;
  if (queue.size() >= config_.max_queued) {
    return full(
        "the queue of service '" + service.name + "' is full: " + std::to_string(queue.size()) + " requests",
        "max_queued");
  }
  if (queue.bytes() + bytes > config_.max_queued_bytes) {
    return full(
        "the queue of service '" + service.name + "' is full: " + std::to_string(queue.bytes()) + " bytes",
        "max_queued_bytes");
  }
  const auto rate = static_cast<double>(config_.max_requests_per_second_per_client);
  if (const Duration wait = rate > 0 ? client.rate.pass(now, rate) : Duration{}; wait > Duration{}) {
    return refuse_overloaded(client, item, wait,
                             "this client makes more than " +
                                 std::to_string(config_.max_requests_per_second_per_client) +
                                 " requests a second (max_requests_per_second_per_client)",
                             now);
  }
  return false;
}

// No time, for this one: by estimate its deadline would pass while it is queued, or while it runs even if it is among
// the short ones. What finds nobody waiting is always tried: else an estimate that is wrong would stay.
bool Core::refuse_hopeless(const Client& client, const proto::RequestItem& item, const Method& method,
                           Duration left, TimePoint now) {
  const Service& service = *method.service;
  const Queue& queue = service.queue;
  if (queue.empty() || service.ready.slots() == 0) return false;
  const double left_us = std::chrono::duration<double, std::micro>(left).count() - method.run_time.low_us();
  const double queue_us = queue.work_us() / static_cast<double>(service.ready.slots()) * kMargin;
  if (queue_us <= left_us) return false;  // even if it were the last one
  const auto priority = item.has_priority ? item.priority : method.priority;
  const std::size_t before = queue.place(&client, priority);
  const double wait_us = queue_us * static_cast<double>(before) / static_cast<double>(queue.size());
  if (wait_us <= left_us || left <= Duration{}) return false;
  counters_.hopeless += 1;
  const auto to_duration = [](double us) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::micro>(us));
  };
  return refuse_overloaded(client, item, to_duration(wait_us - left_us),
                           "its deadline is in " + ms_of(left) + ", and it would wait about " +
                               ms_of(to_duration(wait_us)) + " for its turn, behind " +
                               std::to_string(before) + " requests of service '" + service.name + "'",
                           now);
}

}  // namespace samovar::broker
