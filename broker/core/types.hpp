// Names for what the core talks about.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace samovar::broker {

// Monotonic. The core is told the time and never asks for it.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

inline std::uint64_t to_us(Duration duration) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return us > 0 ? static_cast<std::uint64_t>(us) : 0;
}

// A connection, numbered by the server. A ZeroMQ routing id never leaves the server.
enum class PeerId : std::uint64_t {};

// What a connection must name in each message after its HELLO; never given twice.
enum class Epoch : std::uint64_t {};

// Numbers each dispatch of a request to a worker, rising: the id that the worker sees.
enum class DispatchId : std::uint64_t {};

template <typename Id>
constexpr std::uint64_t raw(Id id) {
  return static_cast<std::uint64_t>(id);
}

enum class Side : std::uint8_t { frontend, backend };

// The bytes of one received frame, kept alive by whoever shares it.
class Frame {
 public:
  Frame() = default;
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  virtual ~Frame() = default;
  virtual std::string_view bytes() const = 0;
};
using FramePtr = std::shared_ptr<const Frame>;
using Frames = std::vector<FramePtr>;

inline std::size_t bytes_of(const Frames& frames) {
  std::size_t bytes = 0;
  for (const auto& frame : frames) bytes += frame->bytes().size();
  return bytes;
}

// The attachments of one item: `count` of them, behind those that have been taken.
inline Frames part_of(const Frames& frames, std::size_t taken, std::uint32_t count) {
  if (count == 0) return {};
  const auto from = frames.begin() + static_cast<std::ptrdiff_t>(taken);
  return {from, from + count};
}

}  // namespace samovar::broker
