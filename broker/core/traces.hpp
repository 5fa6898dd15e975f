// Where the time of traced calls goes: of each that carries a W3C traceparent with the sampled flag, when it was sent,
// accepted, dispatched and ended. Costs nothing where traces are not wanted: nothing is kept in a request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/core/types.hpp"
#include "proto/message.hpp"

namespace samovar::broker {

struct Request;

// One call that has ended. Times are the core's.
struct Trace {
  std::string trace_id;   // 32 hexadecimal digits
  std::string parent_id;  // 16: the caller's span
  std::string method;     // "service.method"
  std::string client;
  std::string worker;  // empty: none ran it
  TimePoint sent{};
  TimePoint accepted{};
  TimePoint dispatched{};  // to the worker that ended it; 0: it never was
  TimePoint ended{};
  std::uint8_t attempt = 1;
  Status status = Status::ok;
};

class Traces {
 public:
  // Those that have ended are kept for take(), no more than this: whoever traces every call of a flood loses some.
  static constexpr std::size_t kMost = 10'000;

  explicit Traces(bool wanted) : wanted_(wanted) {}

  // Of a request that has been accepted.
  void begin(const Request& request, const proto::RequestItem& item, std::string_view client, TimePoint sent,
             TimePoint now) {
    if (wanted_ && !item.traceparent.empty()) start(request, item, client, sent, now);
  }
  // Of one that was refused at the door.
  void refused(const proto::RequestItem& item, std::string_view client, Status status, TimePoint now);
  void dispatched(const Request& request, std::string_view worker, TimePoint now) {
    if (!open_.empty()) hand_over(request, worker, now);
  }
  void end(const Request& request, Status status, TimePoint now) {
    if (!open_.empty()) finish(request, status, now);
  }
  // The request goes on as another one.
  void move(const Request& from, const Request& to);
  // Nobody hears its end.
  void forget(const Request& request) {
    if (!open_.empty()) open_.erase(&request);
  }

  bool has_ended() const { return !ended_.empty(); }
  std::vector<Trace> take() { return std::exchange(ended_, {}); }
  // How many were not kept since the last time.
  std::uint64_t take_dropped() { return std::exchange(dropped_, 0); }

 private:
  void start(const Request& request, const proto::RequestItem& item, std::string_view client, TimePoint sent,
             TimePoint now);
  void hand_over(const Request& request, std::string_view worker, TimePoint now);
  void finish(const Request& request, Status status, TimePoint now);
  void keep(Trace&& trace);

  bool wanted_;
  std::unordered_map<const Request*, Trace> open_;
  std::vector<Trace> ended_;
  std::uint64_t dropped_ = 0;
};

}  // namespace samovar::broker
