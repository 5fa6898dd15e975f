#include "stdio.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

Child::Child(const std::vector<std::string>& command) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("cannot make a pipe");
  }
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  in_ = in[1];
  out_ = out[0];
  if (error != 0) throw std::runtime_error("cannot start " + command.front());
}

Child::~Child() {
  ::close(in_);  // its stdin ends, and so does it
  ::close(out_);
  ::waitpid(pid_, nullptr, 0);
}

void Child::write(const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(in_, text.data() + done, text.size() - done);
    if (n <= 0) throw std::runtime_error("the process does not read");
    done += static_cast<std::size_t>(n);
  }
}

bool Child::read_line(std::string& line, int timeout_ms) {
  for (;;) {
    const auto end = buffer_.find('\n');
    if (end != std::string::npos) {
      line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return true;
    }
    pollfd readable{out_, POLLIN, 0};
    if (::poll(&readable, 1, timeout_ms) == 0) return false;
    std::array<char, 65536> chunk;
    const ssize_t n = ::read(out_, chunk.data(), chunk.size());
    if (n <= 0) throw std::runtime_error("the process ended without an answer");
    buffer_.append(chunk.data(), static_cast<std::size_t>(n));
  }
}
