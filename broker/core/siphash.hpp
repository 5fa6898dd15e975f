// SipHash-1-3: a hash of bytes that who does not know the key cannot aim at.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace samovar::broker {

class SipHash {
 public:
  explicit SipHash(std::uint64_t key) {
    v_ = {key ^ 0x736f'6d65'7073'6575, ~key ^ 0x646f'7261'6e64'6f6d, key ^ 0x6c79'6765'6e65'7261,
          ~key ^ 0x7465'6462'7974'6573};
  }

  // Pieces count: "ab" and "c" is not "a" and "bc".
  SipHash& add(std::string_view bytes) {
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) word(read(at, 8));
    word(read(at, left) | static_cast<std::uint64_t>(bytes.size()) << 56);
    word(bytes.size());
    return *this;
  }

  std::uint64_t value() {
    v_[2] ^= 0xff;
    for (int i = 0; i < 3; ++i) round();
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  static std::uint64_t read(const char* at, std::size_t count) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, at, count);
    return bytes;
  }

  void word(std::uint64_t m) {
    v_[3] ^= m;
    round();
    v_[0] ^= m;
  }

  void round() {
    v_[0] += v_[1];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[3];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] += v_[3];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] += v_[1];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[2] = std::rotl(v_[2], 32);
  }

  std::array<std::uint64_t, 4> v_{};
};

}  // namespace samovar::broker
