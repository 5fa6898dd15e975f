// The supervisors that samovard starts by itself, one for each [[service]] block, or takes over from a samovard that has
// died (adoption.hpp). It restarts them with back-off and stops them at the end. Used by the server's thread only.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "broker/core/event.hpp"
#include "broker/core/types.hpp"
#include "broker/options.hpp"

namespace samovar::broker {

class Pools {
 public:
  Pools(std::vector<ServiceOptions> services, std::string worker_command, std::string backend,
        SecurityOptions security);
  // Kills what still runs.
  ~Pools();
  Pools(const Pools&) = delete;
  Pools& operator=(const Pools&) = delete;

  // Starts those whose time has come. What the core has to know comes back.
  std::vector<event::PoolFailed> tick(TimePoint now);
  // After SIGCHLD.
  void reap(TimePoint now);
  std::optional<TimePoint> next_deadline() const;

  // Asks all to stop; they finish what they have. Killed when they take longer than the grace time.
  void stop(TimePoint now);
  bool stopping() const { return kill_at_.has_value(); }
  bool all_gone() const;

 private:
  struct Failure {
    TimePoint tell_at;
    std::string why;
  };
  struct Pool {
    ServiceOptions options;
    pid_t pid = 0;
    int pidfd = -1;  // of an adopted one, which is no child of this process
    TimePoint started{};
    std::optional<TimePoint> start_at;
    Duration back_off{};
    std::optional<Failure> failure;  // that the core has not been told yet
  };

  void start(Pool& pool, TimePoint now, std::vector<event::PoolFailed>& events);
  std::vector<std::string> arguments_of(const Pool& pool) const;
  void ended(Pool& pool, const std::string& how, bool gave_up, TimePoint now);
  void look_after_adopted(TimePoint now);
  void signal_all(int signal);

  const std::string worker_command_;
  const std::string backend_;
  const SecurityOptions security_;
  std::vector<Pool> pools_;
  std::optional<TimePoint> kill_at_;
};

}  // namespace samovar::broker
