// Streams: results that come item by item, from Python generators.
//
//   for (const std::string& line : client.stream<std::string>("logs.tail", "web")) std::cout << line;
//
// The handler runs ahead of its reader by a window of items (samovar::window) and then waits. The timeout of a stream
// holds for all of it. A reader that takes nothing for the broker's stream_idle (30 s) while the handler waits for it loses
// the stream as deadline_exceeded, where "client". A stream is sent again after a loss only where it is samovar::idempotent
// and no item has come.
#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/error.hpp>
#include <samovar/result.hpp>

namespace samovar {

namespace detail {
struct PendingCall;

// Waits for the next item: its value and attachments. False at the end. Throws samovar::Error when the stream has failed,
// each time; std::logic_error inside a callback of the same client, and after fork().
bool next_item(const std::shared_ptr<PendingCall>& call, Reply& item);
void cancel_stream(const std::shared_ptr<PendingCall>& call);

// What async_stream was given, without its types.
struct StreamCallbacks {
  std::function<std::optional<Error>(Reply&&)> on_item;  // the misfit, if the item is one
  std::function<void(Result<void>)> on_end;
};

template <typename T, typename OnItem, typename OnEnd>
std::unique_ptr<StreamCallbacks> make_stream_callbacks(OnItem&& on_item, OnEnd&& on_end) {
  // Boxed, since std::function copies.
  auto item = std::make_shared<std::decay_t<OnItem>>(std::forward<OnItem>(on_item));
  auto end = std::make_shared<std::decay_t<OnEnd>>(std::forward<OnEnd>(on_end));
  auto callbacks = std::make_unique<StreamCallbacks>();
  callbacks->on_item = [item](Reply&& reply) -> std::optional<Error> {
    Result<T> result(std::move(reply));
    if (!result.ok()) return result.error();
    if constexpr (std::is_invocable_v<std::decay_t<OnItem>&, T, std::vector<Buffer>>) {
      auto attachments = result.attachments();
      (*item)(std::move(result).value(), std::move(attachments));
    } else {
      (*item)(std::move(result).value());
    }
    return std::nullopt;
  };
  callbacks->on_end = [end](Result<void> result) { (*end)(std::move(result)); };
  return callbacks;
}
}  // namespace detail

// From Client::stream: the items, for one reader. Movable; one thread at a time, but for cancel(), which any thread may
// call. May outlive its client: it has then ended. The destructor cancels what has not come to its end.
template <typename T>
class Stream {
 public:
  explicit Stream(std::shared_ptr<detail::PendingCall> call) : call_(std::move(call)) {}
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept {
    if (this == &other) return *this;
    cancel();
    call_ = std::move(other.call_);
    attachments_ = std::move(other.attachments_);
    return *this;
  }
  ~Stream() { cancel(); }

  // Waits for the next item; empty at the end. Throws samovar::Error when the stream has failed, after the items that
  // came before, or when the item does not fit T (the stream may be read on).
  std::optional<T> next() {
    detail::Reply reply;
    if (!detail::next_item(call_, reply)) return std::nullopt;
    Result<T> result(std::move(reply));  // an array's elements are among the attachments
    attachments_ = result.attachments();
    return std::move(result).value();
  }

  // Of the item that next() gave last, or to which the iterator points. They share the received message's memory.
  const std::vector<Buffer>& attachments() const { return attachments_; }

  // Ends the stream: next() gives what has come already and then throws `cancelled`. The handler is told to stop.
  void cancel() {
    if (call_) detail::cancel_stream(call_);
  }

  // An input iterator, for one pass. ++ waits and throws as next() does.
  class Iterator {
   public:
    using value_type = T;
    using reference = const T&;
    using pointer = const T*;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(Stream* stream) : stream_(stream) { ++*this; }
    const T& operator*() const { return *item_; }
    const T* operator->() const { return &*item_; }
    Iterator& operator++() {
      item_ = stream_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !item_; }

   private:
    Stream* stream_ = nullptr;
    std::optional<T> item_;
  };
  // Waits for the first item.
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<detail::PendingCall> call_;
  std::vector<Buffer> attachments_;
};

// From Client::async_stream. Copies name the same stream. Any thread. To let go of it does not cancel the stream.
class StreamHandle {
 public:
  explicit StreamHandle(std::shared_ptr<detail::PendingCall> call) : call_(std::move(call)) {}

  // Ends the stream as `cancelled`, unless it has ended: no on_item begins any more, on_end is still called. The handler
  // is told to stop.
  void cancel() { detail::cancel_stream(call_); }

 private:
  std::shared_ptr<detail::PendingCall> call_;
};

}  // namespace samovar
