// The list of brokers that a peer is to hold: its grammar, PROTOCOL.md 2.2. What names stand for is looked up elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace samovar::proto {

struct Endpoints {
  std::vector<std::string> pieces;  // each once, in their order
  std::string wrong;                // one sentence that names the piece and the way out; empty: nothing is
};

Endpoints parse_endpoints(std::string_view list);

}  // namespace samovar::proto
