// Where the brokers are: proto/endpoints.hpp has the grammar, and here is what names stand for.
#pragma once

#include <string>
#include <vector>

namespace samovar::client {

struct DnsName {
  std::string name;
  std::string port;
};

struct Endpoints {
  std::vector<std::string> fixed;  // each once, in their order
  std::vector<DnsName> names;
};

// Throws std::invalid_argument with a sentence that names the piece which is wrong.
Endpoints parse_endpoints(const std::string& list);

// What a name stands for now, as tcp:// endpoints, sorted. Waits for the network. Throws std::runtime_error with the
// resolver's words.
std::vector<std::string> look_up(const DnsName& name);

}  // namespace samovar::client
