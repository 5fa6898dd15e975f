// Where a coroutine goes on when its call has ended.
#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace samovar {

namespace detail {
class Suspension;
}

// What an executor gets: to be called once, without arguments, on whichever thread the coroutine shall go on. Copies are the same
// one, and calls beyond the first do nothing, so it fits a std::function and whatever else a queue is made of. Where none
// of them is called the coroutine stays suspended; whoever owns it may destroy it.
class Resumption {
 public:
  explicit Resumption(std::shared_ptr<detail::Suspension> suspension) : suspension_(std::move(suspension)) {}
  void operator()() const;

 private:
  std::shared_ptr<detail::Suspension> suspension_;
};

// Any callable that takes a function without arguments and sees to it that it is called, at once or later:
//
//   [&io](auto go_on) { asio::post(io, std::move(go_on)); }
//   [&queue](std::function<void()> go_on) { queue.push(std::move(go_on)); }
//
// It is called on the client's own thread, so it must not wait; an exception that leaves it ends the program.
using Executor = std::function<void(Resumption)>;

// An option of co_call, co_try_call and co_stream. One object may serve any number of calls.
struct ResumeOn {
  std::shared_ptr<const Executor> executor;
};
inline ResumeOn resume_on(Executor executor) {
  return {std::make_shared<const Executor>(std::move(executor))};
}

}  // namespace samovar
