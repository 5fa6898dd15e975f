// cpp-httplib's server, which notices that a caller hangs up while its request is under way, and stops although connections are open.
#pragma once

#include <httplib.h>
#include <functional>

#include "http/hangups.hpp"

namespace samovar::http {

class Listener : public httplib::Server {
 public:
  Listener();
  ~Listener() override;  // when listen_after_bind() has returned

  // Once listen_after_bind() runs: it returns when the requests under way have been answered. Connections without one end at once.
  void end();

  // For handlers: a Watch of the caller whom this thread serves.
  [[nodiscard]] Hangups::Watch when_caller_hangs_up(std::function<void()> hung_up);

 private:
  bool process_and_close_socket(socket_t socket) override;

  const int stopping_;  // an eventfd
  Hangups hangups_;
};

}  // namespace samovar::http
