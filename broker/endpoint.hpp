// Where the broker may listen, and the lock that keeps an ipc path from being stolen.
#pragma once

#include <string>

namespace samovar::broker {

// Throws BadOptions unless the endpoint is ipc, or tcp on this machine (on any address when `insecure`).
void check_endpoint(const std::string& endpoint, bool insecure);

// Held while an ipc endpoint is bound: binding steals the path of a running process, so a lock file beside it
// decides. Other endpoints need none. Throws BadOptions when another process holds it.
class EndpointLock {
 public:
  explicit EndpointLock(const std::string& endpoint);
  EndpointLock(EndpointLock&& other) noexcept;
  EndpointLock& operator=(EndpointLock&&) = delete;
  ~EndpointLock();  // removes the lock file, and the socket's

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace samovar::broker
