#include "http/listener.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <chrono>
#include <utility>

#include "http/connection.hpp"

namespace samovar::http {
namespace {

// A thread serves a connection from its first request to its end.
thread_local int served = -1;

}  // namespace

Listener::Listener() : stopping_(eventfd(0, EFD_CLOEXEC)) {}

Listener::~Listener() {
  ::close(stopping_);
}

void Listener::end() {
  eventfd_write(stopping_, 1);
  stop();
}

Hangups::Watch Listener::when_caller_hangs_up(std::function<void()> hung_up) {
  return hangups_.watch(served, std::move(hung_up));
}

bool Listener::process_and_close_socket(socket_t socket) {
  Connection connection(socket, stopping_, std::chrono::seconds(read_timeout_sec_));
  served = socket;
  bool goes_on = true;
  for (auto left = keep_alive_max_count_; goes_on && left > 0; --left) {
    if (!connection.wait_for_request(std::chrono::seconds(keep_alive_timeout_sec_))) break;
    bool closed = false;
    goes_on = process_request(connection, /*close_connection=*/left == 1, closed, nullptr) && !closed;
  }
  served = -1;
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
  return goes_on;
}

}  // namespace samovar::http
