// What is asked: the same bytes for every transport. servers/table.py has the answers.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace samovar::bench {

inline constexpr std::size_t kAddresses = 1024;

inline std::string address(std::size_t i) {
  return "192.168." + std::to_string(i / 256) + "." + std::to_string(i % 256);
}

// Request bodies: {"ip": address} in msgpack, about 20 bytes; or `size` bytes.
class Payload {
 public:
  explicit Payload(std::size_t size) {
    if (size != 0) {
      bodies_.emplace_back(size, 'x');
      return;
    }
    for (std::size_t i = 0; i < kAddresses; ++i) {
      const std::string ip = address(i);
      bodies_.push_back("\x81\xa2ip" + std::string(1, static_cast<char>(0xa0 + ip.size())) + ip);
    }
  }

  // The next call's body.
  const std::string& next() { return bodies_[next_++ % bodies_.size()]; }
  bool is_look_up() const { return bodies_.size() > 1; }

  // Throws when the answer cannot be right: too short for what was asked.
  void check(std::string_view answer) const {
    const std::size_t least = is_look_up() ? 80 : bodies_[0].size();
    if (answer.size() < least)
      throw std::runtime_error("an answer of only " + std::to_string(answer.size()) + " bytes");
  }

 private:
  std::vector<std::string> bodies_;
  std::size_t next_ = 0;
};

// A slot's number as 8 bytes, for transports that carry no id of their own.
inline constexpr std::size_t kIdBytes = sizeof(std::uint64_t);

inline void put_id(void* to, std::size_t slot) {
  const std::uint64_t id = slot;
  std::memcpy(to, &id, kIdBytes);
}

inline std::size_t get_id(std::string_view from, std::size_t slots) {
  std::uint64_t id = slots;
  if (from.size() >= kIdBytes) std::memcpy(&id, from.data(), kIdBytes);
  if (id >= slots) throw std::runtime_error("an answer to no question");
  return id;
}

}  // namespace samovar::bench
