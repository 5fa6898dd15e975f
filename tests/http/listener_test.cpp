#include "http/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "tests/support/catch.hpp"

using samovar::http::Listener;

namespace {

// A listener with a thread of its own.
class Running {
 public:
  explicit Running(Listener& listener) : listener_(listener), port_(listener.bind_to_any_port("127.0.0.1")) {
    thread_ = std::thread([this] { listener_.listen_after_bind(); });
    while (!listener_.is_running()) std::this_thread::yield();
  }
  ~Running() {
    end();
    thread_.join();
  }
  void end() {
    if (!std::exchange(ended_, true)) listener_.end();
  }
  int port() const { return port_; }

 private:
  Listener& listener_;
  const int port_;
  bool ended_ = false;
  std::thread thread_;
};

class Caller {
 public:
  explicit Caller(const Running& server) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Caller() { ::close(socket_); }

  void say(const std::string& text) const {
    REQUIRE(::send(socket_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  // Up to what ends with `end`, or to the end of the connection.
  std::string hear(const std::string& end) const {
    std::string heard;
    for (char next = 0; !heard.ends_with(end) && ::recv(socket_, &next, 1, 0) == 1;) heard += next;
    return heard;
  }
  void end_saying() const { ::shutdown(socket_, SHUT_WR); }

 private:
  const int socket_;
};

const std::string kGet = "GET /tea HTTP/1.1\r\n\r\n";

void serve_tea(Listener& listener) {
  listener.Get("/tea", [](const auto&, auto& response) { response.set_content("tea", "text/plain"); });
}

}  // namespace

TEST_CASE("A connection serves one request after another, however their bytes come") {
  Listener listener;
  serve_tea(listener);
  const Running running(listener);
  const Caller caller(running);
  caller.say(kGet + kGet + kGet.substr(0, 7));
  CHECK(caller.hear("\r\n\r\ntea").starts_with("HTTP/1.1 200"));
  CHECK(caller.hear("\r\n\r\ntea").starts_with("HTTP/1.1 200"));
  caller.say(kGet.substr(7));
  CHECK(caller.hear("\r\n\r\ntea").starts_with("HTTP/1.1 200"));
}

TEST_CASE("A listener ends although connections are open, and a request has been begun") {
  Listener listener;
  serve_tea(listener);
  listener.set_keep_alive_timeout(3600);
  listener.set_read_timeout(3600);
  std::optional<Running> running(std::in_place, listener);
  const Caller fresh(*running);
  const Caller idle(*running);
  idle.say(kGet);
  CHECK_FALSE(idle.hear("\r\n\r\ntea").empty());
  const Caller slow(*running);
  slow.say(kGet.substr(0, 7));
  running.reset();
  CHECK(fresh.hear("").empty());
  CHECK(idle.hear("").empty());
}

TEST_CASE("A request that is under way when the listener ends is answered") {
  Listener listener;
  std::promise<void> began;
  std::promise<void> go_on;
  listener.Get("/tea", [&](const auto&, auto& response) {
    began.set_value();
    go_on.get_future().wait();
    response.set_content("tea", "text/plain");
  });
  Running running(listener);
  const Caller caller(running);
  caller.say(kGet);
  began.get_future().wait();
  running.end();
  go_on.set_value();
  CHECK(caller.hear("\r\n\r\ntea").starts_with("HTTP/1.1 200"));
}

TEST_CASE("A caller that hangs up while its request is under way is noticed") {
  Listener listener;
  std::promise<void> gone;
  listener.Get("/tea", [&](const auto&, auto&) {
    std::promise<void> here;
    const auto watch = listener.when_caller_hangs_up([&] { here.set_value(); });
    here.get_future().wait();
    gone.set_value();
  });
  const Running running(listener);
  SECTION("with its whole connection") {
    {
      const Caller caller(running);
      caller.say(kGet);
    }
    gone.get_future().wait();
  }
  SECTION("by its sending half, behind a further request") {
    const Caller caller(running);
    caller.say(kGet + kGet.substr(0, 7));
    caller.end_saying();
    gone.get_future().wait();
  }
}

TEST_CASE("A watch that has ended calls nothing") {
  Listener listener;
  bool called = false;
  listener.Get("/tea", [&](const auto&, auto& response) {
    static_cast<void>(listener.when_caller_hangs_up([&] { called = true; }));
    response.set_content("tea", "text/plain");
  });
  {
    const Running running(listener);
    const Caller caller(running);
    caller.say(kGet);
    CHECK_FALSE(caller.hear("\r\n\r\ntea").empty());
    caller.end_saying();
    CHECK(caller.hear("").empty());
  }
  CHECK_FALSE(called);
}
