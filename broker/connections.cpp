#include "broker/connections.hpp"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <optional>

namespace samovar::broker {
namespace {

constexpr double kFull = 0.9;             // of the descriptors: no more clients
constexpr double kFullForAll = 0.95;      // no more workers either
constexpr double kRoomAgain = 0.8 / 0.9;  // of each of the two: until then

std::size_t index(Side side) {
  return side == Side::frontend ? 0 : 1;
}

// How many connections there may be.
std::size_t descriptors_left() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  std::error_code error;
  const std::filesystem::directory_iterator own("/proc/self/fd", error);
  const auto used = static_cast<std::size_t>(std::distance(begin(own), end(own)));
  return std::max<std::size_t>(limit.rlim_cur, used + 1) - used;
}

std::size_t share(double part, std::size_t whole) {
  return std::max<std::size_t>(static_cast<std::size_t>(part * static_cast<double>(whole)), 1);
}

// Of the peer: empty over ipc; nothing when it is no connection any more.
std::optional<std::string> address_of(int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (::getpeername(descriptor, address, &size) != 0) return std::nullopt;
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(address)->sin_addr, text, sizeof text);
  } else if (storage.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  }
  return text;
}

}  // namespace

Connections::Connections(const ConnectionLimits& limits) : per_address_(limits.per_address) {
  const std::size_t left = descriptors_left();
  full_at_[index(Side::frontend)] = share(kFull, left);
  full_at_[index(Side::backend)] = share(kFullForAll, left);
  std::size_t& clients = full_at_[index(Side::frontend)];
  if (limits.connections > 0) clients = std::min(clients, limits.connections);
}

void Connections::opened(Side side, int descriptor) {
  closed(descriptor);  // another connection's before, of whose end nobody told
  const auto address = address_of(descriptor);
  if (!address) return;  // it is gone already
  if (is_full(side)) return refuse(descriptor);
  if (!address->empty() && per_address_ > 0 && by_address_[*address] >= per_address_) {
    notes_.push_back({Note::Level::warning, "connections",
                      "refused a connection from " + *address + ": it has " + std::to_string(per_address_) +
                          " (max_connections_per_address)"});
    return refuse(descriptor);
  }
  if (!address->empty()) by_address_[*address] += 1;
  addresses_.emplace(descriptor, *address);
}

void Connections::closed(int descriptor) {
  const auto at = addresses_.find(descriptor);
  if (at == addresses_.end()) return;
  const auto count = by_address_.find(at->second);
  if (count != by_address_.end() && --count->second == 0) by_address_.erase(count);
  addresses_.erase(at);
}

bool Connections::is_full(Side side) {
  bool& full = full_[index(side)];
  const std::size_t full_at = full_at_[index(side)];
  if (open() >= full_at && refused_ >= look_again_at_) forget_unseen();
  if (full && open() < share(kRoomAgain, full_at)) {
    full = false;
    notes_.push_back({Note::Level::info, "connections", "new connections are taken again"});
  } else if (!full && open() >= full_at) {
    full = true;
    notes_.push_back({Note::Level::warning, "connections",
                      std::to_string(open()) +
                          " connections are open: new ones are refused until some have left "
                          "(max_connections, or the limit of descriptors)"});
  }
  return full;
}

// libzmq does not tell of every end. To look costs a system call for each: not for each that is refused.
void Connections::forget_unseen() {
  look_again_at_ = refused_ + open();
  std::vector<int> gone;
  for (const auto& [descriptor, address] : addresses_) {
    if (!address_of(descriptor)) gone.push_back(descriptor);
  }
  for (const int descriptor : gone) closed(descriptor);
}

void Connections::refuse(int descriptor) {
  refused_ += 1;
  ::shutdown(descriptor, SHUT_RDWR);
}

}  // namespace samovar::broker
