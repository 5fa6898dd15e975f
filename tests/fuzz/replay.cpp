// Runs files through a fuzz target, one after another: what libFuzzer does with files, for every compiler.
// Usage: fuzz_TARGET FILE|DIRECTORY...
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tests/fuzz/target.hpp"

namespace fs = std::filesystem;

namespace {

void run(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw std::runtime_error("cannot read " + file.string());
  // In a block of its own, so that AddressSanitizer sees a read beyond its end.
  const std::unique_ptr<std::uint8_t[]> block(new std::uint8_t[bytes.size()]);
  if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
  LLVMFuzzerTestOneInput(block.get(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(argv[i])) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    // The last line that is seen, should it crash.
    std::cout << file.filename().string() << std::endl;
    run(file);
  }
  std::cout << files.size() << " inputs\n";
  return files.empty() ? 2 : 0;
} catch (const std::exception& error) {
  std::cerr << argv[0] << ": " << error.what() << '\n';
  return 1;
}
