// CPU time of processes, from /proc, in nanoseconds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace samovar::bench {

struct Watched {
  std::string name;
  pid_t pid = 0;
};

// CPU time of all threads that the process has now. 0 when it is gone.
std::uint64_t cpu_ns(pid_t pid);

// The same for each.
std::vector<std::uint64_t> cpu_ns(const std::vector<Watched>& processes);

}  // namespace samovar::bench
