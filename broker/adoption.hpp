// How a samovard finds a pool that an earlier one has started and that has outlived it: a supervisor listens on an
// abstract Unix socket, and whoever connects there has adopted it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace samovar::broker {

// Names the pool that is started with these arguments in this directory, by this user: another configuration is
// another pool.
std::string pool_id(const std::vector<std::string>& arguments, const std::string& directory);

struct Adopted {
  pid_t pid;
  int pidfd;  // owned by the caller; readable once the process has ended
};

// Nothing when no such pool runs.
std::optional<Adopted> adopt(const std::string& pool_id);

}  // namespace samovar::broker
