// Requests that are refused since they were running when workers died, as files for `samovar replay`. Used by the
// server's thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/core/quarantine.hpp"

namespace samovar::broker {

// Where files go when nothing is said: $STATE_DIRECTORY (of systemd), $XDG_STATE_HOME/samovar, ~/.local/state/samovar.
// Empty: there is no such place.
std::string default_state_directory();

class SavedRequests {
 public:
  explicit SavedRequests(std::string directory) : directory_(std::move(directory)) {}

  // Writes one file, for its owner's eyes only, and makes room for it: limits::kMaxSaved are kept. Gives its path; empty
  // when it could not be written, with `why`.
  std::string save(const Poisoned& request, std::string& why);

 private:
  const std::string directory_;
  std::uint64_t serial_ = 0;
};

}  // namespace samovar::broker
