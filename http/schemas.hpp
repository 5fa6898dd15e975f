// The schemas of services, as the broker knows them: asked for when they are needed, and once a second at most.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <samovar/client.hpp>

#include "http/schema.hpp"

namespace samovar::http {

class Schemas {
 public:
  explicit Schemas(Client& client) : client_(client) {}

  // Never null; of what nobody knows it is an empty one. Any thread.
  std::shared_ptr<const Schema> of(const std::string& service);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kFresh{1};
  // Names that callers make up are not kept for ever.
  static constexpr std::size_t kMost = 10'000;

  struct Known {
    Clock::time_point since;
    std::shared_ptr<const Schema> schema;
  };

  Client& client_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;
};

}  // namespace samovar::http
