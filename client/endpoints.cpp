#include "client/endpoints.hpp"

#include <netdb.h>
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace samovar::client {
namespace {

constexpr std::string_view kDns = "dns+tcp://";

DnsName parse_name(const std::string& piece) {
  const auto rest = piece.substr(kDns.size());
  const auto colon = rest.rfind(':');
  const auto port = colon == std::string::npos ? "" : rest.substr(colon + 1);
  const bool is_port = !port.empty() && port.size() <= 5 &&
                       port.find_first_not_of("0123456789") == std::string::npos && std::stoi(port) >= 1 &&
                       std::stoi(port) <= 65535;
  if (colon == 0 || !is_port)
    throw std::invalid_argument("'" + piece + "' is not an endpoint: write dns+tcp://NAME:PORT");
  return {rest.substr(0, colon), port};
}

}  // namespace

Endpoints parse_endpoints(const std::string& list) {
  Endpoints found;
  for (std::size_t begin = 0; begin <= list.size();) {
    const auto end = std::min(list.find(',', begin), list.size());
    const auto piece = list.substr(begin, end - begin);
    begin = end + 1;
    if (piece.empty() && list.empty())
      throw std::invalid_argument("a client needs an endpoint: tcp://HOST:PORT or ipc://PATH");
    if (piece.empty())
      throw std::invalid_argument("'" + list +
                                  "' has an empty endpoint: write them with one comma in between");
    if (piece.starts_with(kDns)) {
      found.names.push_back(parse_name(piece));
    } else if (std::find(found.fixed.begin(), found.fixed.end(), piece) == found.fixed.end()) {
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
