// The service manager that has started this process, if it is one that wants to be told (systemd, Type=notify).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/core/types.hpp"

namespace samovar::broker {

class ServiceManager {
 public:
  // Takes what is meant for this process out of the environment: pools that it starts do not speak for it. To be made
  // before the first thread.
  ServiceManager();

  void ready() const { tell("READY=1"); }
  void stopping() const { tell("STOPPING=1"); }
  // The loop turns. To be called in each turn; tells the manager as often as it wants to hear it.
  void alive(TimePoint now);
  // When it has to be said again; empty: never.
  std::optional<TimePoint> next_alive() const;

 private:
  void tell(std::string_view state) const;

  std::string socket_;   // a path, or @name; empty: there is no manager
  Duration interval_{};  // half of that after which it takes this process for hung; 0: it does not
  TimePoint told_{};
};

}  // namespace samovar::broker
