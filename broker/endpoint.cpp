#include "broker/endpoint.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "broker/options.hpp"

namespace samovar::broker {
namespace {

constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kTcp = "tcp://";
constexpr std::string_view kSuffix = ".lock";

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

bool is_port(std::string_view text) {
  if (text == "*") return true;
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port <= 65535;
}

}  // namespace

void check_endpoint(const std::string& endpoint, bool insecure) {
  if (endpoint.starts_with(kIpc) && endpoint.size() > kIpc.size()) return;
  const std::string_view address = std::string_view(endpoint).substr(std::min(kTcp.size(), endpoint.size()));
  const auto colon = address.rfind(':');
  if (!endpoint.starts_with(kTcp) || colon == std::string_view::npos || colon == 0 ||
      !is_port(address.substr(colon + 1))) {
    throw BadOptions("'" + endpoint + "' is no endpoint: write tcp://127.0.0.1:PORT or ipc:///PATH");
  }
  if (!insecure && !is_this_machine(address.substr(0, colon))) {
    throw BadOptions(
        "'" + endpoint +
        "' is reachable from beyond this machine, and nothing tells who connects: use 127.0.0.1, give keys "
        "([security]), or say --insecure");
  }
}

EndpointLock::EndpointLock(const std::string& endpoint) {
  if (!endpoint.starts_with(kIpc) || endpoint.starts_with("ipc://*") || endpoint.starts_with("ipc://@"))
    return;
  path_ = endpoint.substr(kIpc.size()).append(kSuffix);
  for (;;) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor_ < 0) {
      throw BadOptions("cannot lock '" + endpoint + "': " + path_ + ": " + std::strerror(errno));
    }
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(std::exchange(descriptor_, -1));
      throw BadOptions("'" + endpoint + "' is in use by another samovard; choose another endpoint");
    }
    // The former owner may have removed the file between our open and our lock.
    struct stat held {};
    struct stat now {};
    if (::fstat(descriptor_, &held) == 0 && ::stat(path_.c_str(), &now) == 0 && held.st_ino == now.st_ino)
      return;
    ::close(std::exchange(descriptor_, -1));
  }
}

EndpointLock::EndpointLock(EndpointLock&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

EndpointLock::~EndpointLock() {
  if (descriptor_ < 0) return;
  ::unlink(
      path_.substr(0, path_.size() - kSuffix.size()).c_str());  // libzmq leaves the socket's own file behind
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

}  // namespace samovar::broker
