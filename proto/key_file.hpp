// Files with the keys of CURVE, which say who a peer is: NAME.key holds both halves and is for its owner alone, NAME.pub
// the public one. `samovar keygen NAME` makes them. TOML: public = "...", secret = "...", each 40 characters of Z85.
#pragma once

#include <stdexcept>
#include <string>

namespace samovar::proto {

struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

// A file that holds no key, or that others may read: what() is one sentence that names it and the way out.
class BadKey : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Both halves. Throws BadKey, also when the file is readable by others than its owner.
KeyPair read_key_pair(const std::string& path);
// The public half, out of either kind of file. Throws BadKey.
std::string read_public_key(const std::string& path);

bool is_key(const std::string& text);

// The content of the two files.
std::string to_key_file(const KeyPair& pair);
std::string to_public_file(const KeyPair& pair);

}  // namespace samovar::proto
