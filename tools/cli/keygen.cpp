// samovar keygen: a pair of keys for one who connects, or for a broker.
#include <fcntl.h>
#include <unistd.h>
#include <zmq.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

#include "proto/key_file.hpp"
#include "tools/cli/commands.hpp"

namespace samovar::cli {
namespace {

// Never over a file that is there: it may be the only copy of a key.
void write_new(const std::string& path, const std::string& text, mode_t mode) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0 && errno == EEXIST) {
    throw std::invalid_argument("'" + path +
                                "' is there already, and keys are not written over: remove it first");
  }
  if (file < 0) throw std::invalid_argument("cannot write '" + path + "': " + std::strerror(errno));
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (close(file) != 0 || !written) {
    unlink(path.c_str());
    throw std::invalid_argument("cannot write '" + path + "'");
  }
}

}  // namespace

int keygen(const std::string& name) {
  std::array<char, 41> public_key{};
  std::array<char, 41> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    throw std::runtime_error("this libzmq has no CURVE");
  }
  const proto::KeyPair pair{public_key.data(), secret_key.data()};
  write_new(name + ".key", proto::to_key_file(pair), 0600);
  write_new(name + ".pub", proto::to_public_file(pair), 0644);
  std::printf("%s.key  secret: for its owner alone\n%s.pub  public: %s\n", name.c_str(), name.c_str(),
              pair.public_key.c_str());
  return 0;
}

}  // namespace samovar::cli
