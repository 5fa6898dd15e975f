// The last errors that callers heard, those of one method and code together: what `samovar errors` shows. Bounded, and
// cheap where errors come by the hundred thousand a second.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <samovar/status.hpp>

#include "broker/core/types.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {

class RecentErrors {
 public:
  // `message` gives the text for people; it is asked at most once in kFresh for a method and code.
  template <typename Message>
  void add(std::string_view method, Status status, std::uint64_t wall_us, const Message& message) {
    Entry& entry = find(method, status);
    entry.count += 1;
    if (entry.count > 1 && wall_us - entry.told_us < kFreshUs) {
      entry.wall_us = wall_us;
      return;
    }
    entry.wall_us = entry.told_us = wall_us;
    set_message(entry, message());
  }

  // An array of maps, newest first; all of them when `service` is empty.
  std::string pack(std::string_view service) const;

 private:
  static constexpr std::uint64_t kFreshUs = 500'000;

  struct Entry {
    std::string method;  // "service.method"
    Status status = Status::ok;
    std::uint64_t count = 0;    // since it is shown
    std::uint64_t wall_us = 0;  // of the last one, since 1970
    std::uint64_t told_us = 0;  // of the one whose message this is
    std::string message;
  };

  Entry& find(std::string_view method, Status status);
  static void set_message(Entry& entry, std::string message);

  // Set up with the first error.
  std::unique_ptr<std::array<Entry, limits::kMaxRecentErrors>> entries_;
  std::size_t last_ = 0;  // found; the next one is mostly of the same kind
};

}  // namespace samovar::broker
