// Who may finish a handshake: libzmq asks here, in the words of ZAP (ZeroMQ RFC 27), for each connection. In a thread
// of its own, so that a flood of handshakes stops nobody's data.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <zmq.hpp>

#include "broker/access_list.hpp"
#include "broker/log.hpp"

namespace samovar::broker {

class Zap {
 public:
  // Of all sockets of the context that have this domain. To be there before the first of them binds.
  static constexpr const char* kDomain = "samovar";
  Zap(zmq::context_t& context, AccessListPtr allowed);
  ~Zap();
  Zap(const Zap&) = delete;
  Zap& operator=(const Zap&) = delete;

  // From now on. Any thread.
  void allow(AccessListPtr allowed);
  // Handshakes, since the beginning. Any thread.
  std::uint64_t refused() const { return refused_; }

 private:
  void run();
  void answer();
  bool is_allowed(const std::string& key);
  void log_refusal(std::string_view address, const std::string& key);

  zmq::socket_t requests_;
  zmq::socket_t stop_;      // in the thread
  zmq::socket_t stopping_;  // its other end
  std::mutex mutex_;
  AccessListPtr allowed_;
  std::atomic<std::uint64_t> refused_ = 0;
  NoteLog log_;  // the thread's
  std::thread thread_;
};

}  // namespace samovar::broker
