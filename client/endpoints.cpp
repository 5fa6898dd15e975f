#include "client/endpoints.hpp"

#include <netdb.h>
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "proto/endpoints.hpp"

namespace samovar::client {
namespace {

constexpr std::string_view kDns = "dns+tcp://";

}  // namespace

Endpoints parse_endpoints(const std::string& list) {
  const auto parsed = proto::parse_endpoints(list);
  if (!parsed.wrong.empty()) throw std::invalid_argument(parsed.wrong);
  Endpoints found;
  for (const auto& piece : parsed.pieces) {
    if (piece.starts_with(kDns)) {
      const auto colon = piece.rfind(':');
      found.names.push_back({piece.substr(kDns.size(), colon - kDns.size()), piece.substr(colon + 1)});
    } else {
      found.fixed.push_back(piece);
    }
  }
  return found;
}

std::vector<std::string> look_up(const DnsName& name) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (const int error = getaddrinfo(name.name.c_str(), name.port.c_str(), &wanted, &first); error != 0)
    throw std::runtime_error("'" + name.name + "' has no address: " + gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(first, freeaddrinfo);
  std::vector<std::string> found;
  for (const auto* each = first; each; each = each->ai_next) {
    char host[NI_MAXHOST];
    if (getnameinfo(each->ai_addr, each->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    const std::string address = each->ai_family == AF_INET6 ? "[" + std::string(host) + "]" : host;
    found.push_back("tcp://" + address + ":" + name.port);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace samovar::client
