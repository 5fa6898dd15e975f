#include "proto/key_file.hpp"

#include <sys/stat.h>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

namespace samovar::proto {
namespace {

constexpr std::size_t kKeyCharacters = 40;
constexpr std::string_view kZ85 =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

// `name = "value"` lines; anything else is passed over.
std::string value_of(std::string_view line, std::string_view name) {
  if (!line.starts_with(name)) return {};
  const auto open = line.find('"');
  const auto close = line.rfind('"');
  if (open == std::string_view::npos || close <= open) return {};
  return std::string(line.substr(open + 1, close - open - 1));
}

KeyPair read(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw BadKey("cannot read the key file '" + path + "': " + std::strerror(errno));
  KeyPair pair;
  for (std::string line; std::getline(in, line);) {
    if (auto value = value_of(line, "public"); !value.empty()) pair.public_key = value;
    if (auto value = value_of(line, "secret"); !value.empty()) pair.secret_key = value;
  }
  if (!is_key(pair.public_key)) {
    throw BadKey("'" + path + "' is no key file: samovar keygen NAME makes one");
  }
  return pair;
}

}  // namespace

bool is_key(const std::string& text) {
  return text.size() == kKeyCharacters && text.find_first_not_of(kZ85) == std::string::npos;
}

KeyPair read_key_pair(const std::string& path) {
  KeyPair pair = read(path);
  if (!is_key(pair.secret_key)) {
    throw BadKey("'" + path + "' holds no secret key: name the file that ends in .key");
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    throw BadKey("'" + path + "' holds a secret key and may be read by others: chmod 600 it");
  }
  return pair;
}

std::string read_public_key(const std::string& path) {
  return read(path).public_key;
}

std::string to_key_file(const KeyPair& pair) {
  return "# Secret: whoever has this file is taken for its owner.\npublic = \"" + pair.public_key +
         "\"\nsecret = \"" + pair.secret_key + "\"\n";
}

std::string to_public_file(const KeyPair& pair) {
  return "public = \"" + pair.public_key + "\"\n";
}

}  // namespace samovar::proto
