#include "proto/endpoints.hpp"

#include <algorithm>
#include <charconv>

#include "proto/limits.hpp"

namespace samovar::proto {
namespace {

constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kTcp = "tcp://";
constexpr std::string_view kDns = "dns+";
constexpr std::string_view kSpace = " \t\r\n\v\f";
constexpr std::size_t kIpcPath = 107;  // bytes of a socket's path, at most

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return text.size() <= 5 && error == std::errc() && end == text.data() + text.size() && port >= 1 &&
         port <= 65535;
}

bool is_host(std::string_view text) {
  if (!text.starts_with('[')) {
    return !text.empty() && text.find_first_of(":/[],") == std::string_view::npos &&
           text.find_first_of(kSpace) == std::string_view::npos;
  }
  if (!text.ends_with(']')) return false;
  std::string_view address = text.substr(1, text.size() - 2);
  if (const auto zone = address.find('%'); zone != std::string_view::npos) {
    if (zone + 1 == address.size()) return false;
    address = address.substr(0, zone);
  }
  return !address.empty() && address.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

std::string why_wrong(std::string_view piece) {
  const std::string quoted = "'" + std::string(piece) + "'";
  if (piece.starts_with(kIpc)) {
    if (piece.size() == kIpc.size()) return quoted + " names no path: write ipc:///path/to/socket";
    if (piece.size() - kIpc.size() <= kIpcPath) return {};
    return "the path in " + quoted + " is longer than the " + std::to_string(kIpcPath) +
           " bytes of a socket's path";
  }
  std::string_view rest = piece;
  if (rest.starts_with(kDns)) rest.remove_prefix(kDns.size());
  if (rest.starts_with(kTcp)) {
    rest.remove_prefix(kTcp.size());
    const auto colon = rest.rfind(':');
    if (colon != std::string_view::npos && is_host(rest.substr(0, colon)) && is_port(rest.substr(colon + 1)))
      return {};
  }
  return quoted +
         " is no endpoint: write tcp://HOST:PORT or dns+tcp://NAME:PORT with a port from 1 to 65535, or "
         "ipc:///PATH";
}

}  // namespace

Endpoints parse_endpoints(std::string_view list) {
  Endpoints found;
  for (;;) {
    const auto comma = list.find(',');
    const std::string_view piece = trimmed(list.substr(0, comma));
    found.wrong = why_wrong(piece);
    if (!found.wrong.empty()) return found;
    if (std::find(found.pieces.begin(), found.pieces.end(), piece) == found.pieces.end())
      found.pieces.emplace_back(piece);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  if (found.pieces.size() > limits::kMaxBrokers) {
    found.wrong = std::to_string(found.pieces.size()) + " brokers are more than " +
                  std::to_string(limits::kMaxBrokers) + ": name fewer";
  }
  return found;
}

}  // namespace samovar::proto
