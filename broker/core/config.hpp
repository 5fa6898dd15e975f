// What can be set about the core. Defaults and their reasons: proto/limits.hpp.
#pragma once

#include <string>
#include <vector>

#include "broker/core/types.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {

struct CoreConfig {
  std::string software = "samovard";
  std::string broker_id;               // of this run; shown in HELLO and in status
  std::uint64_t pid = 0;               // for status only
  std::string clock;                   // names the monotonic clock that `now` comes from
  std::uint32_t instance = 1;          // 1 to 2^20, drawn anew for each run: the upper part of every epoch
  std::uint64_t secret = 0;            // drawn anew for each run; peers cannot guess it
  std::vector<std::string> endpoints;  // for status only
  std::vector<std::string> services;   // known from the start; their pools are being started

  bool traces = false;   // calls with a sampled traceparent are told of when they have ended
  bool secured = false;  // peers do only what they were granted
  Duration default_timeout = limits::kDefaultTimeout;
  Duration max_timeout = limits::kMaxTimeout;
  Duration startup_grace = limits::kStartupGrace;
  Duration no_worker_grace = limits::kNoWorkerGrace;
  Duration stream_idle = limits::kStreamIdle;
  Duration drain_grace = limits::kDrainGrace;
  Duration obituary_wait = limits::kObituaryWait;
  Duration last_replies = limits::kLastReplies;

  std::uint32_t quarantine_after = limits::kQuarantineAfter;  // deaths; 0: never

  std::size_t max_body = limits::kDefaultMaxBody;
  std::size_t max_queued = limits::kMaxQueued;
  std::size_t max_queued_bytes = limits::kMaxQueuedBytes;
  std::size_t max_outstanding_per_client = limits::kMaxOutstandingPerClient;
  std::size_t max_queued_bytes_per_client = limits::kMaxQueuedBytesPerClient;
  std::size_t max_requests_per_second_per_client = 0;  // 0: no limit
};

}  // namespace samovar::broker
