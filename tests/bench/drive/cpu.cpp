#include "tests/bench/drive/cpu.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace samovar::bench {

std::uint64_t cpu_ns(pid_t pid) {
  std::uint64_t sum = 0;
  std::error_code error;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::uint64_t ns = 0;
    if (std::ifstream(task.path() / "schedstat") >> ns) sum += ns;
  }
  return sum;
}

std::vector<std::uint64_t> cpu_ns(const std::vector<Watched>& processes) {
  std::vector<std::uint64_t> all;
  all.reserve(processes.size());
  for (const auto& process : processes) all.push_back(cpu_ns(process.pid));
  return all;
}

}  // namespace samovar::bench
