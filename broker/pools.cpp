#include "broker/pools.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 has forgotten to say so itself
}

#include "broker/adoption.hpp"

namespace samovar::broker {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstBackOff = 200ms;
constexpr auto kLongestBackOff = 30s;
constexpr auto kHealthyAfter = 60s;
constexpr auto kWorthWaiting = 1s;      // requests wait for a supervisor that comes back within this time
constexpr auto kReasonMayTake = 100ms;  // its own last message, which says more than its exit code
constexpr auto kLookAgain = 100ms;      // after adopted ones, of whose end no signal tells
constexpr auto kStopGrace = 35s;        // a little more than samovar-worker's own --stop-grace

// Starts a process in a session of its own (Ctrl-C is for samovard alone), with an ordinary signal mask, and stdin
// from /dev/null. Returns an errno.
int spawn(const std::vector<std::string>& arguments, const std::string& directory, pid_t& pid) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&actions);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  const int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

std::string why_not_started(const std::string& command, const std::string& directory, int error) {
  if (!directory.empty() && ::access(directory.c_str(), X_OK) != 0) {
    return "cannot enter its directory '" + directory + "': " + std::strerror(errno);
  }
  return "cannot start '" + command + "': " + std::strerror(error) +
         "; is it in PATH? (worker_command in the configuration)";
}

// What samovar-worker is to serve, as one argument.
std::string target(const ServiceOptions& service) {
  if (!service.expose.empty()) return "--expose=" + service.expose;
  if (!service.lines.empty()) return "--lines=" + service.lines;
  return service.app;
}

}  // namespace

Pools::Pools(std::vector<ServiceOptions> services, std::string worker_command, std::string backend,
             SecurityOptions security)
    : worker_command_(std::move(worker_command)),
      backend_(std::move(backend)),
      security_(std::move(security)) {
  for (auto& service : services) {
    Pool& pool = pools_.emplace_back();
    pool.options = std::move(service);
    pool.start_at = TimePoint{};
    pool.back_off = kFirstBackOff;
  }
}

Pools::~Pools() {
  signal_all(SIGKILL);
  for (Pool& pool : pools_) {
    if (pool.pidfd >= 0) {
      ::close(pool.pidfd);
    } else if (pool.pid > 0) {
      ::waitpid(pool.pid, nullptr, 0);
    }
  }
}

std::vector<std::string> Pools::arguments_of(const Pool& pool) const {
  const std::string& others = pool.options.brokers;
  std::vector<std::string> arguments{worker_command_, target(pool.options),
                                     "--connect",     others.empty() ? backend_ : backend_ + "," + others,
                                     "--workers",     std::to_string(pool.options.workers),
                                     "--name",        pool.options.name};
  if (!security_.key.empty()) {
    arguments.insert(arguments.end(), {"--key", security_.pool_key, "--broker-key", security_.key});
  }
  arguments.insert(arguments.end(), pool.options.arguments.begin(), pool.options.arguments.end());
  return arguments;
}

void Pools::start(Pool& pool, TimePoint now, std::vector<event::PoolFailed>& events) {
  std::vector<std::string> arguments = arguments_of(pool);
  const std::string id = pool_id(arguments, pool.options.directory);
  pool.started = now;
  pool.start_at.reset();
  if (const auto adopted = adopt(id)) {
    pool.pid = adopted->pid;
    pool.pidfd = adopted->pidfd;
    pool.failure.reset();
    spdlog::info("service '{}': supervisor of an earlier samovard adopted, pid {}", pool.options.name,
                 pool.pid);
    events.push_back({pool.options.name, ""});
    return;
  }
  arguments.insert(arguments.end(), {"--parent-pid", std::to_string(::getpid()), "--pool-id", id});
  pid_t pid = 0;
  if (const int error = spawn(arguments, pool.options.directory, pid)) {
    pool.pid = 0;
    const std::string why = why_not_started(worker_command_, pool.options.directory, error);
    spdlog::error("service '{}': {}", pool.options.name, why);
    pool.start_at = now + pool.back_off;
    pool.back_off = std::min<Duration>(pool.back_off * 2, kLongestBackOff);
    events.push_back({pool.options.name, why});
    return;
  }
  pool.pid = pid;
  pool.failure.reset();
  spdlog::info("service '{}': supervisor started, pid {}", pool.options.name, pid);
  events.push_back({pool.options.name, ""});
}

void Pools::ended(Pool& pool, const std::string& how, bool gave_up, TimePoint now) {
  pool.pid = 0;
  if (stopping()) return;
  if (now - pool.started >= kHealthyAfter) pool.back_off = kFirstBackOff;
  pool.start_at = now + pool.back_off;
  spdlog::error("service '{}': its supervisor {}; it is started again in {} ms", pool.options.name, how,
                to_us(pool.back_off) / 1000);
  // One that was killed comes back soon; one that gave up, or is killed again and again, has failed.
  if (gave_up || pool.back_off > kWorthWaiting) {
    pool.failure = {now + kReasonMayTake, "its supervisor " + how + "; the log says more"};
  }
  pool.back_off = std::min<Duration>(pool.back_off * 2, kLongestBackOff);
}

void Pools::reap(TimePoint now) {
  for (Pool& pool : pools_) {
    int status = 0;
    if (pool.pid <= 0 || pool.pidfd >= 0 || ::waitpid(pool.pid, &status, WNOHANG) != pool.pid) continue;
    const std::string how = WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                                : "exited with code " + std::to_string(WEXITSTATUS(status));
    ended(pool, how, WIFEXITED(status) && WEXITSTATUS(status) != 0, now);
  }
}

void Pools::look_after_adopted(TimePoint now) {
  for (Pool& pool : pools_) {
    pollfd ended_fd{pool.pidfd, POLLIN, 0};
    if (pool.pidfd < 0 || ::poll(&ended_fd, 1, 0) != 1) continue;
    ::close(pool.pidfd);
    pool.pidfd = -1;
    ended(pool, "has ended", /*gave_up=*/false, now);
  }
}

std::vector<event::PoolFailed> Pools::tick(TimePoint now) {
  std::vector<event::PoolFailed> events;
  look_after_adopted(now);
  for (Pool& pool : pools_) {
    if (pool.failure && pool.failure->tell_at <= now) {
      events.push_back({pool.options.name, pool.failure->why});
      pool.failure.reset();
    }
    if (!stopping() && pool.start_at && *pool.start_at <= now) start(pool, now, events);
  }
  if (kill_at_ && *kill_at_ <= now && !all_gone()) {
    spdlog::warn("supervisors that did not stop within {} s are killed", kStopGrace.count());
    signal_all(SIGKILL);
    kill_at_ = now + 1s;
  }
  return events;
}

std::optional<TimePoint> Pools::next_deadline() const {
  std::optional<TimePoint> next = kill_at_ && !all_gone() ? kill_at_ : std::nullopt;
  for (const Pool& pool : pools_) {
    if (!stopping() && pool.start_at) next = next ? std::min(*next, *pool.start_at) : *pool.start_at;
    if (pool.pidfd >= 0) next = std::min(next.value_or(TimePoint::max()), Clock::now() + kLookAgain);
    if (pool.failure) next = next ? std::min(*next, pool.failure->tell_at) : pool.failure->tell_at;
  }
  return next;
}

void Pools::stop(TimePoint now) {
  if (stopping()) return;
  kill_at_ = now + kStopGrace;
  signal_all(SIGTERM);
}

bool Pools::all_gone() const {
  return std::none_of(pools_.begin(), pools_.end(), [](const Pool& pool) { return pool.pid > 0; });
}

void Pools::signal_all(int signal) {
  for (const Pool& pool : pools_) {
    if (pool.pidfd >= 0) {
      ::pidfd_send_signal(pool.pidfd, signal, nullptr, 0);
    } else if (pool.pid > 0) {
      ::kill(pool.pid, signal);
    }
  }
}

}  // namespace samovar::broker
