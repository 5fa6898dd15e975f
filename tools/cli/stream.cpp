// samovar call --stream: each item of a stream as a line, as it comes.
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>

#include <samovar/client.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"

namespace samovar::cli {
namespace {

// SIGINT and SIGTERM as a descriptor that can be waited for beside others.
class Interrupts {
 public:
  Interrupts() {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    descriptor_ = signalfd(-1, &wanted, SFD_CLOEXEC);
    if (descriptor_ < 0) throw std::runtime_error("no descriptor for signals");
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts() { close(descriptor_); }

  int descriptor() const { return descriptor_; }
  void take() const {
    signalfd_siginfo info{};
    [[maybe_unused]] const auto got = read(descriptor_, &info, sizeof info);
  }

 private:
  int descriptor_ = -1;
};

}  // namespace

int print_stream(Client& client, const CallOptions& options, const Common& common, Packed arguments) {
  const Interrupts interrupts;
  const int ended = eventfd(0, EFD_CLOEXEC);
  if (ended < 0) throw std::runtime_error("no descriptor for events");
  std::optional<Result<void>> result;
  auto stream = client.async_stream<Value>(
      options.method, arguments, Idempotent{options.may_run_twice}, affinity(options.affinity),
      [](const Value& item) {
        std::printf("%s\n", item.to_json().c_str());
        std::fflush(stdout);
      },
      [&](Result<void> end) {
        result.emplace(std::move(end));
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto put = write(ended, &one, sizeof one);
      });
  for (;;) {
    pollfd both[] = {{ended, POLLIN, 0}, {interrupts.descriptor(), POLLIN, 0}};
    if (poll(both, 2, -1) <= 0) continue;
    if (both[0].revents != 0) break;
    interrupts.take();
    stream.cancel();
  }
  std::uint64_t count = 0;  // after this the callback has nothing more to do with what is here
  [[maybe_unused]] const auto got = read(ended, &count, sizeof count);
  close(ended);
  return result->ok() ? 0 : report(result->error(), common.verbose);
}

}  // namespace samovar::cli
