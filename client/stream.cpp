// The two ends of a stream in the client: a reader that asks for items, and callbacks that get them.
#include <samovar/stream.hpp>

#include <deque>
#include <mutex>
#include <samovar/client.hpp>

#include "client/driver.hpp"
#include "client/request.hpp"

namespace samovar {
namespace detail {
namespace {

// Counts what a reader has taken, and says when the broker is to be told that it takes more: at every half of a window,
// so that the handler need not wait for a reader that keeps pace.
class Pace {
 public:
  explicit Pace(std::uint64_t window) : window_(window), granted_(window) {}

  // The new number of items, counted from the start, when there is one.
  std::optional<std::uint64_t> take() {
    ++taken_;
    if (granted_ - taken_ > window_ / 2) return std::nullopt;
    granted_ = taken_ + window_;
    return granted_;
  }

 private:
  const std::uint64_t window_;
  std::uint64_t granted_;
  std::uint64_t taken_ = 0;
};

// Any number of threads may be here, but one reader only.
class ReaderSink final : public StreamSink {
 public:
  ReaderSink(For whom, std::uint64_t window, std::shared_ptr<const Executor> executor)
      : StreamSink(whom), executor_(std::move(executor)), pace_(window) {}

  void item(Outcome&& item) override {
    std::unique_lock lock(mutex_);
    items_.push_back(std::move(item));
    ring(lock);
  }
  void end(Outcome&& outcome) override {
    std::unique_lock lock(mutex_);
    end_ = std::move(outcome);
    ring(lock);
  }

  enum class Next : std::uint8_t { item, end, nothing_yet };
  // `bell` ends when there is something, if there is nothing yet; it must live until then, or until unhang().
  Next next(Outcome& out, std::optional<std::uint64_t>& window, PendingCall& bell) {
    const std::lock_guard lock(mutex_);
    if (!items_.empty()) {
      out = std::move(items_.front());
      items_.pop_front();
      window = pace_.take();
      return Next::item;
    }
    if (end_) return out = *end_, Next::end;
    bell_ = &bell;
    return Next::nothing_yet;
  }
  void unhang() {
    const std::lock_guard lock(mutex_);
    bell_ = nullptr;
  }

  // For a coroutine: false when there is something.
  bool suspend(Continuation coroutine) {
    auto suspension = std::make_shared<Suspension>(executor_);
    suspension->begin(coroutine, 1);
    const std::lock_guard lock(mutex_);
    if (!items_.empty() || end_) return false;
    suspension_ = std::move(suspension);
    return true;
  }
  void abandon() {
    const std::lock_guard lock(mutex_);
    if (const auto suspension = std::move(suspension_)) suspension->abandon();
  }

 private:
  void ring(std::unique_lock<std::mutex>& lock) {
    if (PendingCall* bell = std::exchange(bell_, nullptr)) bell->end({});
    const auto suspension = std::move(suspension_);
    lock.unlock();  // the coroutine may come for the next item
    if (suspension) suspension->arrived();
  }

  const std::shared_ptr<const Executor> executor_;
  std::mutex mutex_;
  std::deque<Outcome> items_;
  std::optional<Outcome> end_;
  PendingCall* bell_ = nullptr;
  std::shared_ptr<Suspension> suspension_;
  Pace pace_;
};

// On the client's own thread, but for stop().
class CallbackSink final : public StreamSink {
 public:
  CallbackSink(std::unique_ptr<StreamCallbacks> callbacks, std::uint64_t window)
      : StreamSink(For::callbacks), callbacks_(std::move(callbacks)), pace_(window) {}

  void set_call(const std::shared_ptr<PendingCall>& call) { call_ = call; }
  void stop() override { stopped_ = true; }

  void item(Outcome&& item) override {
    const auto call = call_.lock();
    if (stopped_ || !call) return;
    misfit_ = callbacks_->on_item({std::move(item), call->method, call->driver->endpoints(), false});
    if (misfit_) {
      stopped_ = true;
      return call->driver->cancel(call);
    }
    if (const auto window = pace_.take()) {
      call->window = *window;
      call->driver->widen(call);
    }
  }
  void end(Outcome&& outcome) override {
    const auto call = call_.lock();
    const auto callbacks = std::move(callbacks_);  // what they hold may be waited for
    if (misfit_ || !call) return callbacks->on_end(Result<void>(std::move(*misfit_)));
    const bool idempotent = (call->flags & proto::kIdempotent) != 0;
    callbacks->on_end(
        Result<void>(Reply{std::move(outcome), call->method, call->driver->endpoints(), idempotent}));
  }

 private:
  std::unique_ptr<StreamCallbacks> callbacks_;
  std::weak_ptr<PendingCall> call_;  // which owns this
  std::optional<Error> misfit_;
  std::atomic<bool> stopped_ = false;
  Pace pace_;
};

}  // namespace

bool next_item(const std::shared_ptr<PendingCall>& call, Reply& item) {
  if (!call) throw std::logic_error("this samovar::Stream holds no stream: it was moved");
  auto& sink = static_cast<ReaderSink&>(*call->sink);
  Driver& driver = *call->driver;
  item.method = call->method;
  item.endpoint = driver.endpoints();
  for (;;) {
    PendingCall bell;
    std::optional<std::uint64_t> window;
    switch (sink.next(item.outcome, window, bell)) {
      case ReaderSink::Next::item:
        if (window) {
          call->window = *window;
          driver.widen(call);
        }
        return true;
      case ReaderSink::Next::end:
        item.idempotent = (call->flags & proto::kIdempotent) != 0;
        if (item.outcome.status != Status::ok) throw make_error(item);
        return false;
      case ReaderSink::Next::nothing_yet: break;
    }
    try {
      driver.wait(bell, std::nullopt);
    } catch (...) {
      sink.unhang();
      throw;
    }
  }
}

void cancel_stream(const std::shared_ptr<PendingCall>& call) {
  if (call->ended() || !call->driver->usable()) return;
  call->sink->stop();
  call->driver->cancel(call);
}

bool suspend_for_item(PendingCall& stream, void* frame, void (*resume)(void*)) {
  return static_cast<ReaderSink&>(*stream.sink).suspend({frame, resume});
}

void abandon_item(PendingCall& stream) noexcept {
  static_cast<ReaderSink&>(*stream.sink).abandon();
}

}  // namespace detail

std::shared_ptr<detail::PendingCall> Client::begin_stream(
    std::string_view method, detail::Request&& request, std::unique_ptr<detail::StreamCallbacks> callbacks) {
  auto call = std::make_shared<detail::PendingCall>();
  if (callbacks) {
    auto sink = std::make_unique<detail::CallbackSink>(std::move(callbacks), request.window);
    sink->set_call(call);
    call->sink = std::move(sink);
  } else {
    call->sink =
        std::make_unique<detail::ReaderSink>(detail::StreamSink::For::reader, request.window, nullptr);
  }
  begin(call, method, std::move(request));
  return call;
}

std::shared_ptr<detail::PendingCall> Client::begin_co_stream(std::string_view method,
                                                             detail::Request&& request) {
  auto call = std::make_shared<detail::PendingCall>();
  call->sink = std::make_unique<detail::ReaderSink>(detail::StreamSink::For::coroutine, request.window,
                                                    request.executor ? request.executor : executor_);
  begin(call, method, std::move(request));
  return call;
}

void Client::begin(const std::shared_ptr<detail::PendingCall>& call, std::string_view method,
                   detail::Request&& request) {
  call->driver = driver_;  // a Stream may outlive this
  request.stream = true;
  call->window = request.window;
  std::string why;
  if (client::prepare(*call, method, std::move(request), defaults_, why)) {
    driver_->start(call);
  } else {
    driver_->refuse(call, client::local_outcome(Status::bad_request, std::move(why)));
  }
}

}  // namespace samovar
