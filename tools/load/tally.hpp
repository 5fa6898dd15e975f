// What was measured: counts and distributions that can be merged over connections and processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/load/histogram.hpp"

namespace samovar::load {

using Json = nlohmann::ordered_json;

// The calls that ended within one piece of the time.
struct Slice {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  Distribution latency;
};

// The run cut into slices of equal length. There are never more than kMost: then each two become one, so that a long
// run needs no more memory than a short one.
class Timeline {
 public:
  static constexpr std::size_t kMost = 128;
  static constexpr std::chrono::milliseconds kFinest{100};

  Nanoseconds length() const { return length_; }
  const std::vector<Slice>& slices() const { return slices_; }

  // Adds to the slice that holds this time since the start.
  void add(Nanoseconds since_start, Slice slice);
  void merge(const Timeline& other);

  Json to_json() const;
  static Timeline from_json(const Json& json);

 private:
  void halve();
  Slice& at(std::size_t index);

  Nanoseconds length_ = kFinest;
  std::vector<Slice> slices_;
};

struct Failures {
  std::uint64_t count = 0;
  std::string message;   // of the first one
  Distribution latency;  // until the caller heard
};

struct Tally {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t abandoned = 0;     // still under way when the run was broken off
  std::uint64_t ok_in_window = 0;  // those of `ok` that ended in the time that is measured
  std::map<std::string, Failures> failures;
  Distribution latency;   // of the calls that succeeded
  Distribution queued;    // of a sample of the calls, from the replies' metadata
  Distribution running;   // of the same calls
  Distribution lateness;  // open loop: how long after its time each call was started
  Timeline timeline;
  double window_s = 0;         // the time that is measured
  double busiest_thread = 0;   // its share of one core
  double busiest_process = 0;  // its cores

  double throughput() const { return window_s > 0 ? static_cast<double>(ok_in_window) / window_s : 0; }
  std::uint64_t requests() const { return ok + failed + abandoned; }
  double failed_share() const;

  // Of another connection or process, at the same time.
  void merge(const Tally& other);

  Json to_json() const;
  static Tally from_json(const Json& json);
};

}  // namespace samovar::load
