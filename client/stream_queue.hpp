// The items of a stream that its reader has not taken yet. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include <samovar/stream.hpp>

namespace samovar::detail {

class StreamQueue final : public ItemSink {
 public:
  void item(Reply&& reply) override;
  void end(Reply&& reply) override;
  bool takes_at_once() const override { return false; }

  // Waits. False when there is no more: `reply` is the stream's outcome then.
  bool next(Reply& reply);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Reply> items_;
  std::optional<Reply> outcome_;
};

}  // namespace samovar::detail
