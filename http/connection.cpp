#include "http/connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <algorithm>
#include <cerrno>

namespace samovar::http {
namespace {

using namespace std::chrono_literals;

// What is under way when the server stops may take so long to go on.
constexpr auto kLastPatience = 200ms;

bool poll_for(pollfd* some, nfds_t count, Connection::Time time) {
  for (;;) {
    const int ready = ::poll(some, count, static_cast<int>(time.count()));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace

bool Connection::wait_for_request(Time time) const {
  pollfd both[] = {{socket_, POLLIN, 0}, {stopping_, POLLIN, 0}};
  const bool known = poll_for(both, 2, unread_.empty() ? time : 0ms);
  return both[1].revents == 0 && (!unread_.empty() || known);
}

bool Connection::wait(short events) const {
  pollfd both[] = {{socket_, events, 0}, {stopping_, POLLIN, 0}};
  if (!poll_for(both, 2, patience_)) return false;
  return both[0].revents != 0 || poll_for(both, 1, kLastPatience);
}

bool Connection::is_readable() const {
  return !unread_.empty() || wait(POLLIN);
}

bool Connection::is_writable() const {
  return wait(POLLOUT);
}

ssize_t Connection::read(char* to, size_t size) {
  if (unread_.empty()) {
    if (!wait(POLLIN)) return -1;
    const auto got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return got;
    unread_ = {buffer_.data(), static_cast<std::size_t>(got)};
  }
  const auto taken = unread_.copy(to, size);
  unread_.remove_prefix(taken);
  return static_cast<ssize_t>(taken);
}

// A part of it, where the caller is slow.
ssize_t Connection::write(const char* from, size_t size) {
  for (;;) {
    if (!wait(POLLOUT)) return -1;
    const auto sent = ::send(socket_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 || errno != EAGAIN) return sent;
  }
}

}  // namespace samovar::http
