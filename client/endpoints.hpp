// Where the brokers are, as users write it: a list with commas of tcp://HOST:PORT, ipc://PATH and dns+tcp://NAME:PORT, which
// stands for all addresses that NAME has.
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

// Throws std::invalid_argument for an empty list or piece, and for a dns+tcp:// without name or port; whether the others are
// endpoints is found out by who opens them.
Endpoints parse_endpoints(const std::string& list);

// What a name stands for now, as tcp:// endpoints, sorted. Waits for the network. Throws std::runtime_error with the
// resolver's words.
std::vector<std::string> look_up(const DnsName& name);

}  // namespace samovar::client
