// One way to make a call. Each file *_transport.cpp beside this one is one of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/drive/calls.hpp"
#include "tests/bench/drive/payload.hpp"

namespace samovar::bench {

struct TransportOptions {
  std::string endpoint;
  std::size_t connections = 1;
  std::size_t frames = 2;            // of a message of raw ZeroMQ
  std::size_t body = 0;              // bytes; 0: the look-up
  bool attachment = false;           // the body goes as an attachment
  bool decode = false;               // the answer, into a struct
  std::vector<std::string> command;  // of the child of stdio
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Keeps calls.outstanding() calls under way until calls.over(). Throws std::exception.
  virtual void run(Calls& calls, Payload& payload) = 0;
  // What else is to be watched, once it runs.
  virtual std::vector<Watched> children() const { return {}; }
};

using MakeTransport = std::unique_ptr<Transport> (*)(const TransportOptions&);

// Connects, and throws when a first call is not answered.
std::unique_ptr<Transport> make_zmq(const TransportOptions& options);
std::unique_ptr<Transport> make_samovar(const TransportOptions& options);
std::unique_ptr<Transport> make_protocol(const TransportOptions& options);
std::unique_ptr<Transport> make_stdio(const TransportOptions& options);
std::unique_ptr<Transport> make_nats(const TransportOptions& options);
std::unique_ptr<Transport> make_redis(const TransportOptions& options);
std::unique_ptr<Transport> make_grpc(const TransportOptions& options);

}  // namespace samovar::bench
