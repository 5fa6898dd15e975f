// A client's session with one broker.
#pragma once

#include <span>
#include <string>

#include "client/session.hpp"

namespace samovar::client {

class OneLink : public Session {
 public:
  explicit OneLink(const SessionConfig& config, const std::string& endpoint = kEndpoint)
      : Session(config), link_(add_link(endpoint)) {}

  using Session::connected;
  using Session::disconnected;
  using Session::message;
  using Session::unauthorized;
  void connected(TimePoint now) { connected(link_, now); }
  void disconnected(TimePoint now) { disconnected(link_, now); }
  void unauthorized(const std::string& why, TimePoint now) { unauthorized(link_, why, now); }
  void handshake_failed() { Session::handshake_failed(link_); }
  void message(const Buffer& frame, std::span<const Buffer> attachments, TimePoint now) {
    message(link_, frame, attachments, now);
  }

  LinkState state() const { return link(link_).state; }
  bool draining() const { return state() == LinkState::ready && link(link_).draining; }

 private:
  static inline const std::string kEndpoint = "ipc://broker";
  LinkId link_;
};

}  // namespace samovar::client
