// A call of the broker's own service that supervisors carry out: it waits until each of them has answered, or is gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/core/request.hpp"
#include "broker/core/types.hpp"

namespace samovar::broker {

struct Errand {
  // One supervisor's share of it.
  struct Part {
    PeerId supervisor{};
    std::string name;
    bool answered = false;
    bool gone = false;  // its supervisor left without an answer
    bool ok = false;
    std::string message;
    std::string result;  // msgpack of a map, or empty
  };

  std::string command;
  Request* request = nullptr;  // whose caller waits; its dispatch_id is the id of the COMMANDs
  std::vector<Part> parts;
};

}  // namespace samovar::broker
