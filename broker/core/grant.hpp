// What a peer may do, by its key. Without security there are none, and everybody may do everything.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace samovar::broker {

struct Grant {
  std::string name;                   // of the key, for people
  std::vector<std::string> calls;     // services; "*": all
  std::vector<std::string> provides;  // likewise
  bool administers = false;           // may read status and crashes, reload and scale

  bool may_call(std::string_view service) const { return holds(calls, service); }
  bool may_provide(std::string_view service) const { return holds(provides, service); }

 private:
  static bool holds(const std::vector<std::string>& names, std::string_view service) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& each) { return each == service || each == "*"; });
  }
};
using GrantPtr = std::shared_ptr<const Grant>;

}  // namespace samovar::broker
