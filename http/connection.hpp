// A caller's connection, as cpp-httplib reads and writes one.
#pragma once

#include <httplib.h>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace samovar::http {

class Connection : public httplib::Stream {
 public:
  using Time = std::chrono::milliseconds;

  // Borrows both descriptors. `stopping` is readable from when the server stops. `patience` is how long a caller that has begun to
  // say something may take to go on, or to take what it is told.
  Connection(int socket, int stopping, Time patience)
      : socket_(socket), stopping_(stopping), patience_(patience) {}

  // Waits for the next request. False: none began in time, the caller has gone, or the server stops.
  bool wait_for_request(Time time) const;

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  // Nobody here asks for addresses.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  bool wait(short events) const;

  const int socket_;
  const int stopping_;
  const Time patience_;
  std::array<char, 4096> buffer_{};
  std::string_view unread_;  // in buffer_
};

}  // namespace samovar::http
