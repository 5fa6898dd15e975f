// A Python process that answers on its stdout: what services do without Samovar.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

// A child process with pipes on stdin and stdout. Ends it when destroyed. Throws std::runtime_error.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void write(const std::string& text);
  // The next line without its end. Waits for at most `timeout_ms` (negative: for ever); false when that was not enough.
  bool read_line(std::string& line, int timeout_ms = -1);

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int in_ = -1;
  int out_ = -1;
  std::string buffer_;
};
