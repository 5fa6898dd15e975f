// What the live page shows: the last status of the broker, and some minutes of samples. No clock, no thread: see Recorder.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "tools/common/tally.hpp"

namespace samovar::http {

class History {
 public:
  using Json = tools::Json;

  static constexpr std::size_t kSamples = 600;  // ten minutes, at one a second
  static constexpr std::size_t kRecent = 10;    // samples that "recent" is about: enough for a percentile

  // `status` is that of samovar.status. `at`: seconds since 1970, for people; lengths of time are the broker's own.
  void add(Json status, double at);
  // Instead of a status came this error.
  void add_problem(const std::string& code, const std::string& detail, double at);

  // The page's data: samples after number `after` (0: all that there are), and the last status, in which `recent` says of
  // everything and of each service what came in the last seconds, and percentiles stand for histograms.
  Json since(std::uint64_t after) const;

 private:
  struct Look {
    double uptime_s = 0;
    std::map<std::string, tools::Tally> tallies;  // by service; "": of everything
  };

  void keep(Json sample, double at);
  Json sample_of(const Look& now) const;
  Json recent(const std::string& service) const;

  std::uint64_t number_ = 0;
  std::deque<Json> samples_;
  std::deque<Look> looks_;  // the last kRecent + 1
  std::string broker_id_;
  Json status_;             // as the page gets it; null before the first one
  Json problem_ = nullptr;  // why there is none now
  Json last_known_;         // when the status was got
};

}  // namespace samovar::http
