#include <algorithm>
#include <cstdio>
#include <string_view>
#include <vector>
#include <zmq.hpp>

#include "tests/bench/drive/payload.hpp"
#include "tests/bench/peers/peers.hpp"

namespace samovar::bench {

const std::string& fixed_answer() {
  using namespace std::string_literals;
  static const std::string answer = "\x86\xa2ip\xad"s + "192.168.1.117" + "\xa7" + "country\xa2" +
                                    "CN\xa4name\xa5" + "China\xa4" + "city\xa7" + "Beijing\xa8" +
                                    "latitude\xcb\x40\x43\xf3\x33\x33\x33\x33\x33\xa9" +
                                    "longitude\xcb\x40\x5d\x19\x99\x99\x99\x99\x9a"s;
  return answer;
}

namespace {

// Small messages are look-ups, large ones come back as they are.
constexpr std::size_t kSmall = 64;

}  // namespace

int echo(const std::string& endpoint) {
  zmq::context_t context(1);
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.connect(endpoint);
  std::puts("ready");
  std::fflush(stdout);
  const std::string& answer = fixed_answer();
  // Routing id (behind the proxy), then an id and a body in one frame or in two. The body is the last frame.
  for (zmq::message_t frame;;) {
    if (!socket.recv(frame)) continue;
    if (frame.more()) {
      socket.send(frame, zmq::send_flags::sndmore);
    } else if (frame.size() >= kSmall) {
      socket.send(frame, zmq::send_flags::none);
    } else {
      // One frame: the id stays in front.
      const bool has_id = frame.size() > kIdBytes && frame.to_string_view()[kIdBytes] == '\x81';
      zmq::message_t out((has_id ? kIdBytes : 0) + answer.size());
      auto* to = static_cast<char*>(out.data());
      if (has_id) to = std::copy_n(static_cast<const char*>(frame.data()), kIdBytes, to);
      std::copy(answer.begin(), answer.end(), to);
      socket.send(out, zmq::send_flags::none);
    }
  }
}

}  // namespace samovar::bench
