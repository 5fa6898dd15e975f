// The golden vectors of proto/vectors/, read into memory, and what C++ makes of msgpack in their JSON.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "proto/codec.hpp"

namespace samovar::proto {

struct Vector {
  std::string name;
  std::string kind;
  bool valid = false;
  std::string frame;
  std::size_t attachments = 0;
  nlohmann::json decoded;  // null where `valid` is false
  nlohmann::json version;  // null but where the version is why it is refused
};

// Those of every file, read once. Throws if a file is missing or empty.
const std::vector<Vector>& vectors();
std::vector<Vector> valid_vectors(std::string_view kind);

// Does what a receiver of that kind of message does, from the head on: why it refuses the message, or
// nullptr.
Malformed refuse(std::string_view kind, std::string_view frame, std::size_t attachments);

std::string from_hex(std::string_view hex);
std::string to_hex(std::string_view bytes);
bool is_utf8(std::string_view text);
// The JSON that proto/vectors/README.md gives for one msgpack value. Throws where `msgpack` is more or less.
nlohmann::json to_json(std::string_view msgpack);
// The values that stand one after another in `msgpack`.
std::vector<nlohmann::json> all_to_json(std::string_view msgpack);

// Bytes in a block of their own, so that AddressSanitizer sees a read beyond them.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : size_(bytes.size()), block_(new char[bytes.size()]) {
    bytes.copy(block_.get(), size_);
  }
  std::string_view view() const { return {block_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> block_;
};

// SAMOVAR_SEED, or a new one. It is printed.
std::uint64_t test_seed(const char* test);

}  // namespace samovar::proto
