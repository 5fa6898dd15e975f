// The last deaths of workers: what `samovar crashes` shows. Bounded in number and in bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace samovar::broker {

struct Death {
  std::uint64_t when_us = 0;  // since 1970
  std::string service;
  std::string worker;
  std::uint64_t pid = 0;
  std::uint64_t generation = 0;
  std::string reason;
  std::optional<std::uint64_t> signal;
  std::optional<std::uint64_t> exit_code;
  bool out_of_memory = false;
  std::string stderr_lines;
  std::string stack;
  std::vector<std::string> running;  // "service.method"
};

class Deaths {
 public:
  // Long texts are cut: of stderr and stack the end is kept.
  void add(Death death);
  // An array of maps, newest first; all of them when `service` is empty.
  std::string pack(std::string_view service) const;
  std::size_t size() const { return deaths_.size(); }

 private:
  std::deque<Death> deaths_;
};

}  // namespace samovar::broker
