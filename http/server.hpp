// HTTP beside a broker: calls as JSON, metrics, health. It is a client of the broker like any other, with threads of its
// own: nothing here runs in the broker's loop.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "http/options.hpp"

namespace samovar::http {

// what() is one sentence that names the thing and the way out.
class CannotServe : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Server {
 public:
  // Listens, and serves from then on. `broker` is the frontend that it connects to, `broker_key` the file of that broker's
  // public key, if it wants keys. Throws CannotServe.
  Server(const Options& options, const std::string& broker, const std::string& broker_key);
  // Ends what is under way.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& address() const;  // http://HOST:PORT, as it came to be

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace samovar::http
