// What the HTTP side is told.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace samovar::http {

struct Options {
  std::string listen;      // HOST:PORT, [HOST]:PORT; empty: no HTTP
  std::string token_file;  // what callers say as "Authorization: Bearer ..."; empty: nothing is asked
  std::string key;         // where the broker wants keys: this side's own
  std::size_t max_body = std::size_t{16} << 20;
  std::size_t threads = 64;           // requests and streams at the same time; others wait
  std::vector<std::string> required;  // services without which /readyz is not ready
};

}  // namespace samovar::http
