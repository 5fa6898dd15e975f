// Feeds the broker's core, without sockets and clock: clients ask, workers answer at once, any number of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/core.hpp"
#include "broker/core/wire.hpp"

namespace samovar::bench {

struct FeedSizes {
  std::size_t clients = 1;
  std::size_t workers = 1;
  std::size_t queued = 0;  // requests that wait at all times
  std::size_t bundle = 1;  // requests in a message, and replies
};

// Marks what is to be counted: from start() to stop(), and nothing between.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void start() {}
  virtual void stop() {}
};

class Feed {
 public:
  // All peers are connected and the queue is full afterwards.
  explicit Feed(FeedSizes sizes);

  // A bundle of requests comes in, as many go to workers, their replies come in and go out. Only the core's share is
  // metered; what peers do is not.
  void step(Meter& meter);

  // Requests that stay where they are: there must be no workers.
  void fill(std::size_t requests);

  std::uint64_t answered() const { return answered_; }

 private:
  struct Dispatched {
    std::size_t worker;
    std::uint64_t id;
    std::uint8_t attempt;
  };

  std::uint64_t greet(broker::Side side, std::size_t peer, bool is_worker);
  void announce(std::size_t worker);
  void request(std::size_t items, Meter& meter);
  std::size_t reply(std::size_t items, Meter& meter);
  // To the core, and out of it what it has to say.
  std::vector<broker::Message> exchange(broker::Side side, std::size_t peer, std::string frame, Meter& meter);
  void take(const std::vector<broker::Message>& messages);

  const FeedSizes sizes_;
  broker::TimePoint now_{std::chrono::hours(1)};
  broker::Core core_;
  broker::Wire wire_{core_};
  std::vector<std::uint64_t> client_epochs_;
  std::vector<std::uint64_t> worker_epochs_;
  std::size_t next_client_ = 0;
  std::uint64_t next_id_ = 0;
  std::uint64_t answered_ = 0;
  std::deque<Dispatched> at_workers_;
};

}  // namespace samovar::bench
