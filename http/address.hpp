// Where HTTP is served, and by which names a caller may know it.
#pragma once

#include <string>

namespace samovar::http {

struct Address {
  std::string host;
  int port = 0;

  // Of HOST:PORT or [HOST]:PORT; port 0: any that is free. Throws CannotServe.
  static Address parse(const std::string& listen);
  std::string url(int actual_port) const;
};

bool is_loopback(const std::string& host);

// Of the header Host, without the port.
std::string host_of(const std::string& header);

}  // namespace samovar::http
