// samovar-bench-count: what a request costs in the core alone, in figures that repeat.
//
//   samovar-bench-count memory REQUESTS                         resident bytes per queued request beyond its body
//   samovar-bench-count steps CLIENTS WORKERS QUEUED BUNDLE REQUESTS   for callgrind, which counts the core's instructions:
//     valgrind --tool=callgrind --instr-atstart=no --collect-atstart=no samovar-bench-count steps 1 1 0 1 1000
#include <malloc.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "tests/bench/core/feed.hpp"

namespace {

using namespace samovar::bench;

constexpr double kBodyBytes = 20;

double resident_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

int memory(std::size_t requests) {
  Feed feed({100, 0, 0});
  ::malloc_trim(0);
  const double before = resident_bytes();
  feed.fill(requests);
  ::malloc_trim(0);
  const double each = (resident_bytes() - before) / static_cast<double>(requests);
  std::printf("{\"bytes\": %.1f}\n", each - kBodyBytes);
  return 0;
}

class Callgrind final : public Meter {
 public:
  void start() override { CALLGRIND_TOGGLE_COLLECT; }
  void stop() override { CALLGRIND_TOGGLE_COLLECT; }
};

int steps(FeedSizes sizes, std::size_t requests) {
  Feed feed(sizes);
  CALLGRIND_START_INSTRUMENTATION;
  Callgrind meter;
  for (std::size_t i = 0; i < requests; i += sizes.bundle) feed.step(meter);
  CALLGRIND_STOP_INSTRUMENTATION;
  std::printf("{\"answered\": %llu}\n", static_cast<unsigned long long>(feed.answered()));
  std::fflush(stdout);
  ::_exit(0);  // to take a million requests down would take long
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "memory" && argc == 3) return memory(std::stoul(argv[2]));
    if (what == "steps" && argc == 7) {
      return steps({std::stoul(argv[2]), std::stoul(argv[3]), std::stoul(argv[4]), std::stoul(argv[5])},
                   std::stoul(argv[6]));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovar-bench-count: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr,
               "usage: samovar-bench-count memory REQUESTS | steps CLIENTS WORKERS QUEUED BUNDLE REQUESTS\n");
  return 2;
}
