#include "http/recorder.hpp"

#include <algorithm>
#include <utility>

namespace samovar::http {
namespace {

using namespace std::chrono_literals;

// A broker that takes longer stands still.
constexpr auto kPatience = 800ms;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Recorder::Recorder(const std::string& broker, ClientOptions options)
    : client_(broker, std::move(options)), next_(Clock::now()), thread_([this] { run(); }) {}

Recorder::~Recorder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Recorder::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const auto period = look();
    lock.lock();
    next_ = std::max(next_ + period, Clock::now());
    changed_.wait_until(lock, next_, [this] { return stopping_; });
  }
}

std::chrono::milliseconds Recorder::look() {
  const auto result = client_.try_call<Value>("samovar.status", timeout(kPatience));
  tools::Json status;
  if (result.ok()) status = tools::Json::parse(result->to_json());
  const double at = seconds_since_1970();
  const std::lock_guard lock(mutex_);
  if (result.ok()) {
    history_.add(std::move(status), at);
    return kPeriod;
  }
  const Error& error = result.error();
  history_.add_problem(std::string(to_word(error.code())), error.details().message, at);
  return error.code() == Status::unauthorized ? kRefusedPeriod : kPeriod;
}

tools::Json Recorder::since(std::uint64_t after) const {
  const std::lock_guard lock(mutex_);
  tools::Json found = history_.since(after);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_ - Clock::now());
  found["next_ms"] = std::max<std::int64_t>(left.count(), 0);
  found["at"] = seconds_since_1970();
  return found;
}

}  // namespace samovar::http
