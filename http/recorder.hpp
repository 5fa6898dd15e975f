// Asks the broker for its status once a second, in a thread of its own, so that the live page has a past when it is
// opened, and any number of open pages ask the broker nothing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include <samovar/client.hpp>

#include "http/history.hpp"

namespace samovar::http {

class Recorder {
 public:
  static constexpr std::chrono::milliseconds kPeriod{1000};
  // For one whose key may not see the status: the broker counts each that asks all the same.
  static constexpr std::chrono::milliseconds kRefusedPeriod{30'000};

  // As a client of its own: what callers over HTTP do does not hold it up.
  Recorder(const std::string& broker, ClientOptions options);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // History::since, with `next_ms`: when there will be more. Any thread.
  tools::Json since(std::uint64_t after) const;

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  // Returns when to look again.
  std::chrono::milliseconds look();

  Client client_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  Clock::time_point next_;
  History history_;
  std::thread thread_;
};

}  // namespace samovar::http
