// The broker's log: one line each to stderr, as text or as JSON, limited in rate per topic.
#pragma once

#include <chrono>
#include <string>
#include <unordered_map>

#include "broker/core/outbox.hpp"
#include "broker/options.hpp"

namespace samovar::broker {

// Sets up spdlog's default logger. Throws nothing.
void open_log(const LogOptions& options);

// Writes notes; of one topic at most ten a second, and then how many were left out.
class NoteLog {
 public:
  void write(const Note& note, TimePoint now);

 private:
  struct Topic {
    TimePoint window{};
    std::uint32_t written = 0;
    std::uint64_t left_out = 0;
  };
  std::unordered_map<std::string, Topic> topics_;
};

}  // namespace samovar::broker
