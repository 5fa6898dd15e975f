// What every fuzz target is made of: it reads its input as choices, and aborts where something does not hold.
// A target defines LLVMFuzzerTestOneInput, and is linked with libFuzzer or with replay.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace samovar::fuzz {

inline void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// For what tells by a text what is wrong, or gives nullptr.
inline void expect_none(const char* broken) {
  expect(broken == nullptr, broken);
}

// Bytes as choices: each means something, and behind the last one all are 0.
class Script {
 public:
  Script(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool done() const { return rest_.empty(); }

  // 0 to 255.
  unsigned byte() {
    if (rest_.empty()) return 0;
    const char first = rest_.front();
    rest_.remove_prefix(1);
    return static_cast<std::uint8_t>(first);
  }
  bool flag() { return (byte() & 1) != 0; }
  std::size_t below(std::size_t limit) { return byte() % limit; }

  template <typename T, std::size_t N>
  const T& one_of(const std::array<T, N>& some) {
    return some[below(N)];
  }

  // A length in one byte, and so many bytes, or those that are left.
  std::string_view bytes() { return take(byte()); }
  // The same with a length of two bytes.
  std::string_view long_bytes() {
    const std::size_t high = byte();
    return take(high << 8 | byte());
  }
  std::string_view rest() { return take(rest_.size()); }

 private:
  std::string_view take(std::size_t size) {
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

}  // namespace samovar::fuzz
