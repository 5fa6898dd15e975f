// What the broker takes from the machine it runs on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace samovar::broker {

// Names this machine's monotonic clock: two processes that get the same name read the same clock.
std::string clock_name();

// Numbers this run of the broker among others: 1 to 2^20.
std::uint32_t random_instance();
std::uint64_t random_number();
// 16 hexadecimal digits.
std::string random_id();

// libzmq takes its automatic routing ids from rand(), unseeded: a peer could claim the next one, which aborts the
// process. To be called before the first socket.
void seed_routing_ids();

// Binds this process, and all that it starts, to these CPUs; none: leaves it as it is. To be called before the first
// thread. Throws BadOptions when one of them is not there.
void use_cpus(const std::vector<int>& cpus);

// Freed memory stays with this process, up to 128 MiB: a body of a megabyte is not paid for in page faults each time.
void keep_freed_memory();

// As many descriptors as the system allows this process.
void raise_descriptor_limit();

// Blocks SIGTERM, SIGINT and SIGCHLD for all threads to come, ignores SIGPIPE. Returns a signalfd.
int take_signals();

}  // namespace samovar::broker
