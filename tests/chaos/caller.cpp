// A client process of the chaos test: calls chaos.once and chaos.again without end and appends each outcome to its ledger
// (ledger.py), with one write() each, until SIGTERM; then it waits for what is outstanding and writes how many calls there were.
//
// Half of the calls may run once only. The others are tried again, as a program would, while an outcome says that they may be
// and there is time: such tries are calls of their own with one goal, the id of the first.
#include <fcntl.h>
#include <unistd.h>
#include <samovar/client.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <queue>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Micros = std::chrono::microseconds;
using Answer = samovar::Result<std::uint64_t>;

constexpr std::uint64_t kIdsOfOne = 1'000'000'000;  // ids of caller K begin at K * this

volatile std::sig_atomic_t stopping = 0;

struct Options {
  std::string endpoint;
  std::uint64_t number;
  std::string ledger;
  unsigned outstanding;  // by callbacks
  unsigned threads;      // that wait for a call each
  double rate;           // calls/s at most
  std::chrono::milliseconds timeout;
};

class Ledger {
 public:
  explicit Ledger(const std::string& file)
      : fd_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

  void write(const std::string& line) const {
    if (::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size())) return;
    std::perror("the ledger");
    std::_Exit(1);
  }

 private:
  const int fd_;
};

struct Call {
  std::uint64_t id;
  std::uint64_t goal;
  bool idempotent;
  Clock::time_point at;  // not before
  Clock::time_point deadline;

  bool operator<(const Call& other) const { return at > other.at; }  // the earliest is on top
};

class Caller {
 public:
  explicit Caller(Options options)
      : options_(std::move(options)),
        interval_(std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(slots() / options_.rate))),
        ledger_(options_.ledger),
        client_(options_.endpoint, {.name = "chaos-" + std::to_string(options_.number)}) {}

  void run() {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < options_.threads; ++i) threads.emplace_back([this] { call_and_wait(); });
    call_back();
    for (auto& thread : threads) thread.join();
    ledger_.write("end " + std::to_string(last_) + '\n');
  }

 private:
  unsigned slots() const { return options_.outstanding + options_.threads; }

  // Nothing once the end has come.
  std::optional<Call> fresh(Clock::time_point at) {
    if (stopping) return {};
    const auto id = next_id();
    return Call{id, id, id % 2 == 0, at, at + options_.timeout};
  }

  std::uint64_t next_id() {
    const std::lock_guard lock(mutex_);
    return options_.number * kIdsOfOne + ++last_;
  }

  // What the same slot does next.
  std::optional<Call> noted(const Call& call, Clock::time_point begun, const Answer& answer) {
    const auto now = Clock::now();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun).count();
    ledger_.write(std::to_string(call.id) + (call.idempotent ? " again " : " once ") +
                  std::to_string(call.goal) + ' ' + std::string(to_word(answer.status())) + ' ' +
                  std::to_string(answer.metadata().attempt) + ' ' + (answer ? std::to_string(*answer) : "-") +
                  ' ' + std::to_string(took) + '\n');
    if (answer) return fresh(std::max(now, begun + interval_));
    const auto later = now + std::max<Micros>(20ms, answer.error().details().retry_after.value_or(0us));
    if (call.idempotent && answer.error().retryable() && later < call.deadline) {
      return Call{next_id(), call.goal, true, later, call.deadline};
    }
    return fresh(later);
  }

  template <typename Start>
  auto with_arguments(const Call& call, Start start) {
    const std::string padding(call.id % 64 == 0 ? 20'000 : call.id % 50, '.');
    const auto left = std::chrono::ceil<Micros>(call.deadline - Clock::now());
    return start(call.idempotent ? "chaos.again" : "chaos.once", call.id, padding,
                 samovar::timeout(std::max(left, 1us)), samovar::Idempotent{call.idempotent});
  }

  void call_and_wait() {
    for (auto call = fresh(Clock::now()); call;) {
      std::this_thread::sleep_until(call->at);
      const auto begun = Clock::now();
      call = noted(*call, begun, with_arguments(*call, [this](const auto&... arguments) {
        return client_.try_call<std::uint64_t>(arguments...);
      }));
    }
  }

  void call_back() {
    for (unsigned i = 0; i < options_.outstanding; ++i) {
      if (const auto call = fresh(Clock::now())) due_.push(*call);
    }
    std::unique_lock lock(mutex_);
    while (outstanding_ > 0 || !due_.empty()) {
      const auto tick = Clock::now() + 50ms;  // a signal handler wakes nobody
      if (due_.empty() || due_.top().at > Clock::now()) {
        changed_.wait_until(lock, due_.empty() ? tick : std::min(tick, due_.top().at));
        continue;
      }
      const Call call = due_.top();
      due_.pop();
      ++outstanding_;
      lock.unlock();
      start(call);
      lock.lock();
    }
  }

  void start(const Call& call) {
    with_arguments(call, [&](const auto&... arguments) {
      client_.async_call(arguments..., [this, call, begun = Clock::now()](const Answer& answer) {
        const auto next = noted(call, begun, answer);
        const std::lock_guard lock(mutex_);
        --outstanding_;
        if (next) due_.push(*next);
        changed_.notify_one();
      });
    });
  }

  const Options options_;
  const Clock::duration interval_;  // between the calls of a slot, where they succeed
  const Ledger ledger_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<Call> due_;
  unsigned outstanding_ = 0;
  std::uint64_t last_ = 0;
  samovar::Client client_;  // its callbacks use the others
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: %s ENDPOINT NUMBER LEDGER OUTSTANDING THREADS RATE TIMEOUT_MS\n", argv[0]);
    return 2;
  }
  std::signal(SIGTERM, [](int) { stopping = 1; });
  Caller({.endpoint = argv[1],
          .number = std::stoull(argv[2]),
          .ledger = argv[3],
          .outstanding = static_cast<unsigned>(std::stoul(argv[4])),
          .threads = static_cast<unsigned>(std::stoul(argv[5])),
          .rate = std::stod(argv[6]),
          .timeout = std::chrono::milliseconds(std::stoul(argv[7]))})
      .run();
}
