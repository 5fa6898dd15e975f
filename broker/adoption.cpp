#include "broker/adoption.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 has forgotten to say so itself
}

namespace samovar::broker {
namespace {

// FNV-1a: the same in every build, so that the next version of samovard finds the pools of this one.
void add(std::uint64_t& hash, const std::string& text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash *= 0x100000001b3;  // where one text ends and the next begins
}

}  // namespace

std::string pool_id(const std::vector<std::string>& arguments, const std::string& directory) {
  std::uint64_t hash = 0xcbf29ce484222325;
  add(hash, directory);
  for (const auto& argument : arguments) add(hash, argument);
  char text[64];
  std::snprintf(text, sizeof text, "samovar-pool-%u-%016llx", static_cast<unsigned>(::getuid()),
                static_cast<unsigned long long>(hash));
  return text;
}

std::optional<Adopted> adopt(const std::string& pool_id) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::nullopt;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, pool_id.data(), pool_id.size());  // behind a zero byte: abstract
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + pool_id.size());
  std::optional<Adopted> adopted;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) {
    ucred peer{};
    socklen_t length = sizeof peer;
    const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    if (known && peer.uid == ::getuid()) {
      if (const int pidfd = ::pidfd_open(peer.pid, 0); pidfd >= 0) adopted = Adopted{peer.pid, pidfd};
    }
  }
  ::close(fd);
  return adopted;
}

}  // namespace samovar::broker
