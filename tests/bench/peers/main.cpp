// samovar-bench-peer: the C++ processes on the other side. tests/bench/bench.py starts them.
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "tests/bench/peers/peers.hpp"

int main(int argc, char** argv) {
  using namespace samovar::bench;
  const std::string what = argc > 1 ? argv[1] : "";
  std::signal(SIGTERM, SIG_DFL);
  try {
    if (what == "proxy" && argc == 4) return proxy(argv[2], argv[3]);
    if (what == "echo" && argc == 3) return echo(argv[2]);
    if (what == "null" && argc == 3) return null_worker(argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovar-bench-peer: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: samovar-bench-peer proxy FRONTEND BACKEND | echo ENDPOINT | null BACKEND\n");
  return 2;
}
