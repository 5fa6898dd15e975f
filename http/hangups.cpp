#include "http/hangups.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace samovar::http {
namespace {

constexpr std::uint64_t kEnded = 0;  // no Watch has this id

}  // namespace

Hangups::Hangups() : epoll_(epoll_create1(EPOLL_CLOEXEC)), ended_(eventfd(0, EFD_CLOEXEC)) {
  epoll_event ended{.events = EPOLLIN, .data = {.u64 = kEnded}};
  if (epoll_ < 0 || ended_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, ended_, &ended) != 0)
    throw std::runtime_error("no descriptors are left to watch HTTP connections with");
  thread_ = std::thread([this] { run(); });
}

Hangups::~Hangups() {
  eventfd_write(ended_, 1);
  thread_.join();
  ::close(ended_);
  ::close(epoll_);
}

Hangups::Watch Hangups::watch(int socket, std::function<void()> hung_up) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = ++last_id_;
  watched_.emplace(id, Watched{socket, std::move(hung_up)});
  // Once: what has been told stays true.
  epoll_event gone{.events = EPOLLRDHUP | EPOLLONESHOT, .data = {.u64 = id}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &gone);
  return {*this, id};
}

void Hangups::end(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto at = watched_.find(id);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, at->second.socket, nullptr);
  watched_.erase(at);
}

void Hangups::run() {
  for (;;) {
    epoll_event event{};
    if (epoll_wait(epoll_, &event, 1, -1) != 1) continue;
    if (event.data.u64 == kEnded) return;
    const std::lock_guard lock(mutex_);
    const auto at = watched_.find(event.data.u64);
    if (at != watched_.end()) at->second.hung_up();
  }
}

}  // namespace samovar::http
