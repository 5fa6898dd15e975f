#include "broker/saved_requests.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <vector>

#include "broker/core/pack.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".request";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// A map; its keys are those that `samovar replay` reads, and what a person wants to know.
std::string content(const Poisoned& request) {
  proto::Cursor cursor(request.body);
  std::string_view args;
  std::string_view kwargs;
  cursor.skip(limits::kMaxDepth, args);
  cursor.skip(limits::kMaxDepth, kwargs);
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  packer.pack_map(13);
  entry(packer, "method", request.method);
  raw_entry(buffer, packer, "args", args);
  raw_entry(buffer, packer, "kwargs", kwargs);
  packer.pack(std::string_view("attachments"));
  packer.pack_array(static_cast<std::uint32_t>(request.attachments.size()));
  for (const auto& frame : request.attachments) {
    const auto bytes = frame->bytes();
    packer.pack_bin(static_cast<std::uint32_t>(bytes.size()));
    packer.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  }
  entry(packer, "deaths", request.deaths);
  entry(packer, "when", static_cast<double>(request.death.when_us) / 1e6);
  entry(packer, "worker", request.death.worker);
  entry(packer, "generation", request.death.generation);
  entry(packer, "reason", request.death.reason);
  entry(packer, "signal", request.death.signal);
  entry(packer, "exit_code", request.death.exit_code);
  entry(packer, "stderr", request.death.stderr_lines);
  entry(packer, "stack", request.death.stack);
  return {buffer.data(), buffer.size()};
}

// Names sort by time.
void make_room(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(directory, ignored)) {
    if (file.path().extension() == kSuffix) files.push_back(file.path());
  }
  if (files.size() < limits::kMaxSaved) return;
  std::sort(files.begin(), files.end());
  files.resize(files.size() - limits::kMaxSaved + 1);
  for (const auto& file : files) fs::remove(file, ignored);
}

bool write_file(const fs::path& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  while (!bytes.empty()) {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) break;
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  const int error = errno;
  ::close(file);
  errno = error;
  return bytes.empty();
}

}  // namespace

std::string default_state_directory() {
  if (const auto given = environment("STATE_DIRECTORY"); !given.empty())
    return given.substr(0, given.find(':'));
  if (const auto state = environment("XDG_STATE_HOME"); !state.empty()) return state + "/samovar";
  if (const auto home = environment("HOME"); !home.empty()) return home + "/.local/state/samovar";
  return "";
}

std::string SavedRequests::save(const Poisoned& request, std::string& why) {
  if (directory_.empty()) return why = "there is no state directory (--state-dir)", "";
  if (request.key.bytes > limits::kMaxSavedBytes) return why = "it is larger than 16 MiB", "";
  const fs::path directory = fs::path(directory_) / "quarantine";
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return why = directory.string() + ": " + error.message(), "";
  ::chmod(directory.c_str(), 0700);
  make_room(directory);

  const auto seconds = static_cast<std::time_t>(request.death.when_us / 1'000'000);
  std::tm utc{};
  std::array<char, 32> time{};
  gmtime_r(&seconds, &utc);
  const auto length = std::strftime(time.data(), time.size(), "%Y%m%dT%H%M%SZ", &utc);
  const std::string name = std::string(time.data(), length) + "-" + request.method + "-" +
                           std::to_string(::getpid()) + "-" + std::to_string(++serial_);
  const fs::path path = directory / (name.substr(0, 200) + kSuffix);
  const fs::path unfinished = path.string() + ".new";
  if (!write_file(unfinished, content(request))) {
    why = unfinished.string() + ": " + std::strerror(errno);
    fs::remove(unfinished, error);
    return "";
  }
  fs::rename(unfinished, path, error);
  if (error) return why = path.string() + ": " + error.message(), "";
  return path.string();
}

}  // namespace samovar::broker
