#include <cstdio>
#include <zmq.hpp>

#include "tests/bench/peers/peers.hpp"

namespace samovar::bench {

int proxy(const std::string& frontend, const std::string& backend) {
  zmq::context_t context(1);
  zmq::socket_t front(context, zmq::socket_type::router);
  zmq::socket_t back(context, zmq::socket_type::dealer);
  for (auto* socket : {&front, &back}) {
    socket->set(zmq::sockopt::sndhwm, 0);
    socket->set(zmq::sockopt::rcvhwm, 0);
  }
  front.bind(frontend);
  back.bind(backend);
  std::puts("ready");
  std::fflush(stdout);
  zmq::proxy(front, back);
  return 0;
}

}  // namespace samovar::bench
