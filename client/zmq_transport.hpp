// A DEALER socket with its monitor. The only file of the client that knows libzmq.
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

// Starts to connect, in the background. Throws std::invalid_argument when the endpoint is none, and
// std::runtime_error when the system refuses sockets.
std::unique_ptr<Transport> make_zmq_transport(const std::string& endpoint, const Keys& keys);

}  // namespace samovar::client
