// Results that come item by item.
//
//   for (const auto& row : client.stream<Row>("report.rows", "2026-11")) use(row);   // throws samovar::Error
//
// Flow control: the handler may be `window` items ahead of the reader (samovar::window, 16 by default), no more. A reader
// that takes nothing for 30 s (the broker's stream_idle_ms) loses its stream as `deadline_exceeded`. The timeout of the
// call holds for the whole stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <samovar/detail/outcome.hpp>
#include <samovar/result.hpp>

namespace samovar {

namespace detail {

struct PendingCall;

// What becomes of a stream's items. Both are called on the client's own thread.
class ItemSink {
 public:
  virtual ~ItemSink() = default;
  virtual void item(Reply&& reply) = 0;
  virtual void end(Reply&& reply) = 0;
  // Whether an item counts as taken when item() returns.
  virtual bool takes_at_once() const = 0;

  // One more item has been taken: so many may come in all, if it is time to say that, else 0.
  std::uint64_t taken();
  std::uint32_t window = 0;

 private:
  std::uint64_t taken_ = 0;
  std::uint64_t granted_ = 0;
};

// Waits. False when the stream has ended: `reply` is its outcome then. Throws std::logic_error inside a callback of the
// same client, and after fork().
bool next_item(PendingCall& call, Reply& reply);
// Ends the stream unless it has ended.
void leave_stream(const std::shared_ptr<PendingCall>& call);

template <typename T, typename OnItem, typename OnEnd>
class CallbackSink final : public ItemSink {
 public:
  CallbackSink(OnItem on_item, OnEnd on_end) : on_item_(std::move(on_item)), on_end_(std::move(on_end)) {}
  void item(Reply&& reply) override { on_item_(Result<T>(std::move(reply))); }
  void end(Reply&& reply) override { on_end_(Result<void>(std::move(reply))); }
  bool takes_at_once() const override { return true; }

 private:
  OnItem on_item_;
  OnEnd on_end_;
};

}  // namespace detail

// From Client::stream. Movable; one thread at a time. Destroying it before its end cancels the stream: the handler is
// closed. May outlive its client: what has come can be read, then it ends as `cancelled`.
template <typename T>
class Stream {
 public:
  explicit Stream(std::shared_ptr<detail::PendingCall> call) : call_(std::move(call)) {}
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept {
    if (this != &other) {
      cancel();
      call_ = std::move(other.call_);
      attachments_ = std::move(other.attachments_);
    }
    return *this;
  }
  ~Stream() { cancel(); }

  // Waits for the next item; nothing at the end. Throws samovar::Error when the stream ends with one, once, and when an
  // item is no T.
  std::optional<T> next() {
    if (!call_) return std::nullopt;
    detail::Reply reply;
    if (!detail::next_item(*call_, reply)) {
      call_.reset();
      Result<void>(std::move(reply)).value();
      return std::nullopt;
    }
    Result<T> item(std::move(reply));
    attachments_ = item.attachments();
    return std::move(item).value();
  }

  // Of the last item. They share the memory of the received message.
  const std::vector<Buffer>& attachments() const { return attachments_; }

  // The handler is closed, and next() gives nothing more.
  void cancel() {
    if (call_) detail::leave_stream(std::exchange(call_, nullptr));
  }

  // An input range: one pass.
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    Iterator() = default;
    explicit Iterator(Stream& stream) : stream_(&stream) { ++*this; }
    const T& operator*() const { return *item_; }
    const T* operator->() const { return &*item_; }
    Iterator& operator++() {
      item_ = stream_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& at, std::default_sentinel_t) { return !at.item_; }

   private:
    Stream* stream_ = nullptr;
    std::optional<T> item_;
  };
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<detail::PendingCall> call_;
  std::vector<Buffer> attachments_;
};

// From Client::async_stream: ends the stream before its end, from any thread. Dropping it changes nothing.
class StreamHandle {
 public:
  explicit StreamHandle(std::shared_ptr<detail::PendingCall> call) : call_(std::move(call)) {}
  // The stream's on_end hears `cancelled`, unless it has ended already.
  void cancel() const { detail::leave_stream(call_); }

 private:
  std::shared_ptr<detail::PendingCall> call_;
};

}  // namespace samovar
