// The connections of this process, as libzmq's monitors tell of them, and which are too many: those are closed again at
// once. To stop listening would be no way out, since libzmq then closes all connections of the endpoint; to accept until
// there is no descriptor left would make it spin. Used by the server's thread only.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/core/outbox.hpp"
#include "broker/options.hpp"

namespace samovar::broker {

class Connections {
 public:
  // Counts what the process has open by then as not to be had. Throws nothing.
  explicit Connections(const ConnectionLimits& limits);

  // A descriptor that was accepted, or is closed.
  void opened(Side side, int descriptor);
  void closed(int descriptor);

  std::size_t open() const { return addresses_.size(); }
  // Closed at once, since the beginning.
  std::uint64_t refused() const { return refused_; }
  std::vector<Note> take_notes() { return std::exchange(notes_, {}); }

 private:
  bool is_full(Side side);
  void forget_unseen();
  void refuse(int descriptor);

  const std::size_t per_address_;  // 0: no limit
  std::size_t full_at_[2];         // by side, of both together: workers may still come when clients may not
  bool full_[2] = {false, false};  // by side, until enough have left
  std::unordered_map<int, std::string> addresses_;           // by descriptor; empty over ipc
  std::unordered_map<std::string, std::size_t> by_address_;  // how many
  std::uint64_t refused_ = 0;
  std::uint64_t look_again_at_ = 0;  // of refused_: those that are gone untold are looked for
  std::vector<Note> notes_;
};

}  // namespace samovar::broker
