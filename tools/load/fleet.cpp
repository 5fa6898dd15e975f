#include "tools/load/fleet.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <system_error>

#include "tools/load/engine.hpp"

namespace samovar::load {
namespace {

using namespace std::chrono_literals;

constexpr auto kLead = 20ms;  // from the order to the start: all processes begin together

// A message is its length and its msgpack. False at the end of the stream.
bool transfer(int socket, char* data, std::size_t size, bool write) {
  while (size > 0) {
    const auto done = write ? send(socket, data, size, MSG_NOSIGNAL) : recv(socket, data, size, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    data += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

bool send_json(int socket, const Json& json) {
  auto bytes = Json::to_msgpack(json);
  std::uint64_t size = bytes.size();
  return transfer(socket, reinterpret_cast<char*>(&size), sizeof size, true) &&
         transfer(socket, reinterpret_cast<char*>(bytes.data()), bytes.size(), true);
}

std::optional<Json> receive_json(int socket) {
  std::uint64_t size = 0;
  if (!transfer(socket, reinterpret_cast<char*>(&size), sizeof size, false)) return std::nullopt;
  std::string bytes(size, '\0');
  if (!transfer(socket, bytes.data(), size, false)) return std::nullopt;
  return Json::from_msgpack(bytes);
}

Progress* shared_progress() {
  void* memory = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "shared memory");
  return new (memory) Progress;
}

}  // namespace

Fleet::Fleet(const Setup& setup, const Deck& deck) : progress_(shared_progress()) {
  for (unsigned number = 0; number < setup.processes; ++number) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
      throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);
      std::signal(SIGINT, SIG_IGN);  // Ctrl-C goes to all; the parent decides
      std::signal(SIGTERM, SIG_IGN);
      for (const auto& other : processes_) close(other.socket);
      close(sockets[0]);
      serve(setup, deck, number, sockets[1]);
    }
    close(sockets[1]);
    processes_.push_back({pid, sockets[0]});
  }
}

Fleet::~Fleet() {
  for (const auto& process : processes_) close(process.socket);
  for (const auto& process : processes_) {
    kill(process.pid, SIGKILL);  // what they measured has been received
    while (waitpid(process.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  munmap(progress_, sizeof(Progress));
}

void Fleet::serve(const Setup& setup, const Deck& deck, unsigned number, int socket) {
  try {
    Engine engine(setup, deck, *progress_, number);
    while (const auto order = receive_json(socket)) {
      Json answer;
      if (order->contains("phase")) {
        const TimePoint start{Nanoseconds(order->at("start_ns").get<std::int64_t>())};
        answer = engine.run(Phase::from_json(order->at("phase")), start).to_json();
      } else if (const auto error = engine.connect()) {
        answer = *error;
      }
      if (!send_json(socket, answer)) break;
    }
  } catch (const std::invalid_argument& error) {  // an endpoint that is none
    send_json(socket, {{"wrong", error.what()}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovar-load: a process of the run ends: %s\n", error.what());
  }
  std::fflush(nullptr);
  _exit(0);
}

void Fleet::send_to_all(const Json& order) {
  for (const auto& process : processes_) send_json(process.socket, order);
}

Json Fleet::receive_from(std::size_t number) {
  auto answer = receive_json(processes_[number].socket);
  if (!answer) throw std::runtime_error("a process of the run has ended before the run did");
  return std::move(*answer);
}

void Fleet::connect() {
  send_to_all(Json::object());
  Json failure;
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (Json answer = receive_from(i); !answer.is_null()) failure = std::move(answer);
  }
  if (failure.is_object())
    throw std::invalid_argument("--endpoint: " + failure.at("wrong").get<std::string>());
  if (failure.is_string()) throw Unreachable(failure.get<std::string>());
}

Tally Fleet::run(const Phase& phase, const std::function<void(double)>& tick) {
  const auto start = Clock::now() + kLead;
  send_to_all({{"phase", phase.to_json()}, {"start_ns", start.time_since_epoch() / 1ns}});
  Tally tally;
  auto next_tick = start + 1s;
  for (std::size_t i = 0; i < processes_.size();) {
    pollfd ready{processes_[i].socket, POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick - Clock::now());
    if (poll(&ready, 1, std::max(0, static_cast<int>(left.count()))) > 0) {
      const auto part = Tally::from_json(receive_from(i++));
      tally.merge(part);
    } else if (Clock::now() >= next_tick) {
      tick(std::chrono::duration<double>(Clock::now() - start).count());
      next_tick += 1s;
    }
  }
  return tally;
}

}  // namespace samovar::load
