#include "broker/host.hpp"

#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "broker/options.hpp"

namespace samovar::broker {

std::uint64_t random_number() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) std::abort();
  return number;
}

std::string clock_name() {
  std::string name;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), name);
  return name;
}

std::uint32_t random_instance() {
  return static_cast<std::uint32_t>(random_number() % (1u << 20)) + 1;
}

std::string random_id() {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(random_number()));
  return text;
}

void seed_routing_ids() {
  std::srand(static_cast<unsigned>(random_number()));
}

void use_cpus(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t allowed;
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  for (const int cpu : cpus) {
    if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed)) {
      std::string list;
      for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &allowed)) list += (list.empty() ? "" : ",") + std::to_string(i);
      }
      throw BadOptions("there is no CPU " + std::to_string(cpu) + " for this process; there are " + list +
                       " (cpus)");
    }
    CPU_SET(cpu, &wanted);
  }
  ::sched_setaffinity(0, sizeof wanted, &wanted);
}

void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int take_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

}  // namespace samovar::broker
