#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "client/driver.hpp"
#include "client/stream_queue.hpp"

namespace samovar::detail {

std::uint64_t ItemSink::taken() {
  if (granted_ == 0) granted_ = window;
  ++taken_;
  const std::uint64_t due = taken_ + window;
  if (due - granted_ < std::max<std::uint64_t>(window / 2, 1)) return 0;
  return granted_ = due;
}

void StreamQueue::item(Reply&& reply) {
  const std::lock_guard lock(mutex_);
  items_.push_back(std::move(reply));
  changed_.notify_one();
}

void StreamQueue::end(Reply&& reply) {
  const std::lock_guard lock(mutex_);
  outcome_ = std::move(reply);
  changed_.notify_one();
}

bool StreamQueue::next(Reply& reply) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !items_.empty() || outcome_; });
  if (items_.empty()) {
    reply = std::move(*outcome_);
    return false;
  }
  reply = std::move(items_.front());
  items_.pop_front();
  return true;
}

bool next_item(PendingCall& call, Reply& reply) {
  call.driver->check_may_wait();
  auto& queue = static_cast<StreamQueue&>(*call.sink);
  if (!queue.next(reply)) return false;
  if (const auto items = queue.taken()) call.driver->grant(call.shared_from_this(), items);
  return true;
}

void leave_stream(const std::shared_ptr<PendingCall>& call) {
  if (call->driver->usable()) call->driver->cancel(call);
}

}  // namespace samovar::detail
