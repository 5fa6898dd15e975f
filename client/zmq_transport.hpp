// DEALER sockets, each with its monitor. The only file of the client that knows libzmq.
#pragma once

#include <memory>
#include <string>

#include "client/transport.hpp"
#include "proto/key_file.hpp"

namespace samovar::client {

// Both or none.
struct Keys {
  proto::KeyPair own;
  std::string broker;  // its public one
};

// The same keys for all brokers. Throws std::runtime_error when the system refuses what it takes.
std::unique_ptr<Transport> make_zmq_transport(Keys keys);

}  // namespace samovar::client
