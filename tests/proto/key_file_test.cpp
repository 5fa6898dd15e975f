// Files with keys: what is taken, and what is refused with which words.
#include <sys/stat.h>
#include <unistd.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "proto/key_file.hpp"
#include "tests/support/catch.hpp"

using namespace samovar::proto;

namespace {

const std::string kPublic(40, 'p');
const std::string kSecret(40, 's');

class File {
 public:
  explicit File(const std::string& text, mode_t mode = 0600) {
    path = std::filesystem::temp_directory_path() / "samovar-key-XXXXXX";
    close(mkstemp(path.data()));
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { std::filesystem::remove(path); }
  std::string path;
};

template <typename F>
std::string why(F&& read) {
  try {
    read();
  } catch (const BadKey& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("what is written is read again") {
  const File both(to_key_file({kPublic, kSecret}));
  CHECK(read_key_pair(both.path).public_key == kPublic);
  CHECK(read_key_pair(both.path).secret_key == kSecret);
  CHECK(read_public_key(both.path) == kPublic);
  const File half(to_public_file({kPublic, kSecret}), 0644);
  CHECK(read_public_key(half.path) == kPublic);
  CHECK(to_public_file({kPublic, kSecret}).find(kSecret) == std::string::npos);
}

TEST_CASE("a file that does not do is refused with its name and the way out") {
  const auto refusal = [](const File& file) { return why([&] { read_key_pair(file.path); }); };
  CHECK(refusal(File(to_public_file({kPublic, ""}))).find("ends in .key") != std::string::npos);
  CHECK(refusal(File(to_key_file({kPublic, kSecret}), 0640)).find("chmod 600") != std::string::npos);
  CHECK(refusal(File("")).find("samovar keygen") != std::string::npos);
  CHECK(refusal(File(to_key_file({kPublic.substr(1), kSecret}))).find("is no key file") != std::string::npos);
  CHECK(refusal(File(to_key_file({kPublic, kSecret.substr(1) + "~"}))).find(".key") != std::string::npos);
  CHECK(why([] { read_key_pair("/nowhere/a.key"); }).find("/nowhere/a.key") != std::string::npos);
}
