// Looks names of brokers up, again and again, on a thread of its own: a resolver may take seconds to say no.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/endpoints.hpp"

namespace samovar::client {

class Resolver {
 public:
  // All brokers that are known now; or none, and why.
  using Found = std::function<void(std::vector<std::string> endpoints, std::string why)>;
  using LookUp = std::function<std::vector<std::string>(const DnsName&)>;

  // Calls `found` on its thread whenever what it finds has changed. A name that cannot be looked up keeps the addresses that
  // it had.
  Resolver(Endpoints endpoints, Found found, LookUp look_up = client::look_up);
  ~Resolver() { stop(); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `found` is not called any more once this has returned. A look-up that is under way is not waited for. From any thread.
  void stop();

  // Looks at once, unless it has just done so: a broker is gone, and others may have come.
  void hurry();

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace samovar::client
