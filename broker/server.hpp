// The core with sockets around it: one thread, one loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "broker/connections.hpp"
#include "broker/core/core.hpp"
#include "broker/core/wire.hpp"
#include "broker/gate.hpp"
#include "broker/log.hpp"
#include "broker/manager.hpp"
#include "broker/options.hpp"
#include "broker/pools.hpp"
#include "broker/saved_requests.hpp"
#include "broker/tracer.hpp"
#include "broker/zap.hpp"

namespace samovar::broker {

class Server {
 public:
  // Binds all endpoints; throws BadOptions when one cannot be had. `signals` is a signalfd of SIGTERM, SIGINT, SIGHUP
  // and SIGCHLD, which must be blocked in every thread.
  Server(const Options& options, int signals, ServiceManager& manager);

  // Serves until it has drained after SIGTERM or SIGINT. Returns the exit code.
  int run();

  std::string ready_line() const;
  // Where clients connect: the first of them.
  const std::string& frontend() const { return frontend_.endpoints().front(); }

 private:
  void receive(Gate& gate, Side side, TimePoint now);
  void look_for_lost(Gate& gate, Side side, TimePoint now);
  void read_signals(TimePoint now);
  void grant(Gate& gate, Side side, PeerId peer, TimePoint now);
  void read_access_again(TimePoint now);
  void tell_time(TimePoint now);
  void flush(TimePoint now);
  void tell_connections(TimePoint now);
  void save_poisoned(TimePoint now);
  bool finished(TimePoint now);
  void wait();
  int wait_ms(TimePoint now) const;

  zmq::context_t context_;
  const SecurityOptions security_;
  AccessListPtr access_;      // null: no security
  std::unique_ptr<Zap> zap_;  // likewise
  std::uint64_t peer_serial_ = 0;
  Connections connections_;
  Gate frontend_;
  Gate backend_;
  Core core_;
  Wire wire_;
  Pools pools_;
  NoteLog notes_;
  SavedRequests saved_requests_;
  std::unique_ptr<Tracer> tracer_;  // null: no traces
  const int signals_;
  ServiceManager& manager_;
  int stop_signals_ = 0;
  std::optional<TimePoint> part_at_;       // when it has drained: the end, at the earliest
  std::optional<TimePoint> last_call_at_;  // likewise, where clients have not answered by then
  std::uint64_t refused_told_ = 0;         // of zap_->refused(): what the core knows
  event::Connections connections_told_{};
  std::uint64_t dropped_told_ = 0;  // of frontend_.dropped(): what the log knows
  bool signalled_ = true;           // there may be signals to read
  TimePoint clock_told_{};          // when the core was told the time for people
  TimePoint looked_at_{};           // when all descriptors were asked last
};

}  // namespace samovar::broker
