// Notices that callers hang up while nobody reads from them: one thread, however many there are.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace samovar::http {

class Hangups {
 public:
  // Lasts until its destruction; from then on what it was to call is neither called nor running.
  class Watch {
   public:
    Watch(Hangups& hangups, std::uint64_t id) : hangups_(hangups), id_(id) {}
    ~Watch() { hangups_.end(id_); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    Hangups& hangups_;
    const std::uint64_t id_;
  };

  Hangups();
  ~Hangups();  // when no Watch is left
  Hangups(const Hangups&) = delete;
  Hangups& operator=(const Hangups&) = delete;

  // Calls `hung_up` once when the other side has closed the connection, or its sending half, maybe before it returns. It runs on
  // the thread of Hangups, and must neither wait nor throw. The socket is borrowed; one Watch for each at a time.
  [[nodiscard]] Watch watch(int socket, std::function<void()> hung_up);

 private:
  struct Watched {
    int socket;
    std::function<void()> hung_up;
  };

  void run();
  void end(std::uint64_t id);

  const int epoll_;
  const int ended_;  // an eventfd
  std::mutex mutex_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, Watched> watched_;
  std::thread thread_;
};

}  // namespace samovar::http
