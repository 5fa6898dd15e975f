// What the client asks of the process that it lives in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace samovar::client {

// Rises in the child of every fork(): cheaper to ask than getpid().
std::uint64_t fork_generation();

// Keeps an object for ever, reachable for leak checkers.
void keep_for_ever(std::shared_ptr<void> object);

std::uint64_t random_number();

// Names the host's CLOCK_MONOTONIC: the kernel's boot id, or "" when it cannot be read.
std::string clock_name();

}  // namespace samovar::client
