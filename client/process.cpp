#include "client/process.hpp"

#include <pthread.h>
#include <sys/random.h>
#include <atomic>
#include <fstream>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

namespace samovar::client {
namespace {

std::atomic<std::uint64_t> generation{0};

}  // namespace

std::uint64_t fork_generation() {
  static std::once_flag registered;
  std::call_once(registered, [] {
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  });
  return generation.load(std::memory_order_relaxed);
}

void keep_for_ever(std::shared_ptr<void> object) {
  static auto& mutex = *new std::mutex;
  static auto& kept = *new std::vector<std::shared_ptr<void>>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(object));
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) number = std::random_device{}();
  return number;
}

std::string clock_name() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace samovar::client
