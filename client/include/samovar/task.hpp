// A coroutine type for those who have none.
//
//   samovar::Task<int> count(samovar::Client& client) {
//     auto words = co_await client.co_call<Words>("segment.cut", "to be");
//     co_return static_cast<int>(words.size());
//   }
//   int main() {
//     samovar::Client client{"tcp://127.0.0.1:7711"};
//     return samovar::sync_wait(count(client));
//   }
#pragma once

#include <condition_variable>
#include <coroutine>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <variant>

namespace samovar {

template <typename T = void>
class Task;

namespace detail {

class TaskPromiseBase {
 public:
  std::suspend_always initial_suspend() const noexcept { return {}; }
  // Whoever awaits the task goes on in its place.
  auto final_suspend() const noexcept {
    struct Continue {
      std::coroutine_handle<> next;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept { return next; }
      void await_resume() const noexcept {}
    };
    return Continue{next_};
  }
  void set_next(std::coroutine_handle<> next) { next_ = next; }

 private:
  std::coroutine_handle<> next_ = std::noop_coroutine();
};

template <typename T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& value) {
    result_.template emplace<1>(std::forward<U>(value));
  }
  void unhandled_exception() { result_.template emplace<2>(std::current_exception()); }
  T take() {
    if (auto* error = std::get_if<2>(&result_)) std::rethrow_exception(*error);
    return std::move(std::get<1>(result_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void unhandled_exception() { error_ = std::current_exception(); }
  void take() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

}  // namespace detail

// Runs when it is awaited, once, or given to sync_wait(). Movable, until then. To destroy one that is suspended in a call cancels the
// call (coroutine.hpp says where it may be destroyed).
template <typename T>
class [[nodiscard("a task runs when it is awaited")]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle coroutine) : coroutine_(coroutine) {}
  Task(Task && other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  bool await_ready() const {
    if (!coroutine_ || coroutine_.done()) throw std::logic_error("this samovar::Task was moved, or has run");
    return false;
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    coroutine_.promise().set_next(caller);
    return coroutine_;
  }
  T await_resume() {
    return coroutine_.promise().take();
  }

 private:
  Handle coroutine_;
};

namespace detail {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

// Runs at once, and destroys itself at its end.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

// One thread waits for another one, which must not touch this once it has told.
class Told {
 public:
  void tell() {
    const std::lock_guard lock(mutex_);
    told_ = true;
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return told_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool told_ = false;
};

}  // namespace detail

// Runs the task and waits for its end, on a thread that is no part of what resumes it: the program's main thread. Throws what
// leaves the task.
template <typename T>
T sync_wait(Task<T> task) {
  detail::Told told;
  detail::TaskPromise<T> result;
  [](Task<T>& waited, detail::TaskPromise<T>& to, detail::Told& when) -> detail::Detached {
    try {
      if constexpr (std::is_void_v<T>) {
        co_await waited;
      } else {
        to.return_value(co_await waited);
      }
    } catch (...) {
      to.unhandled_exception();
    }
    when.tell();
  }(task, result, told);
  told.wait();
  return result.take();
}

}  // namespace samovar
