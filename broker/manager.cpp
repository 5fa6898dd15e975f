#include "broker/manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace samovar::broker {
namespace {

std::string taken_from_environment(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value ? value : "";
  ::unsetenv(name);
  return taken;
}

}  // namespace

ServiceManager::ServiceManager() : socket_(taken_from_environment("NOTIFY_SOCKET")) {
  const std::string microseconds = taken_from_environment("WATCHDOG_USEC");
  const std::string pid = taken_from_environment("WATCHDOG_PID");
  if (!pid.empty() && pid != std::to_string(::getpid())) return;
  interval_ = std::chrono::microseconds(std::strtoll(microseconds.c_str(), nullptr, 10)) / 2;
}

void ServiceManager::alive(TimePoint now) {
  if (const auto next = next_alive(); !next || now < *next) return;
  told_ = now;
  tell("WATCHDOG=1");
}

std::optional<TimePoint> ServiceManager::next_alive() const {
  if (socket_.empty() || interval_ <= Duration{}) return std::nullopt;
  return told_ + interval_;
}

// A datagram, as sd_notify(3) describes it. A manager that does not listen is no reason to stop.
void ServiceManager::tell(std::string_view state) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  (void)::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&address), size);
  ::close(descriptor);
}

}  // namespace samovar::broker
