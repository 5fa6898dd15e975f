#include "broker/server.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "broker/host.hpp"

namespace samovar::broker {
namespace {

using namespace std::chrono_literals;

// Messages taken from one side in one turn, so that no side starves the other, or the timers.
constexpr int kBatch = 256;

// While a peer's queue is full, or a peer is suspect, the loop looks again this often.
constexpr long kLookAgainMs = 2;

// What a client's libzmq (with ZMQ_IMMEDIATE) has received and the client has not read is dropped when the connection
// ends: so long it has for the last replies.
constexpr auto kParting = 200ms;

CoreConfig with_endpoints(const Options& options, Gate& frontend, Gate& backend) {
  CoreConfig config = options.core;
  for (const auto& endpoint : options.frontend) frontend.bind(endpoint);
  for (const auto& endpoint : options.backend) backend.bind(endpoint);
  for (const auto& endpoint : frontend.endpoints()) config.endpoints.push_back("frontend " + endpoint);
  for (const auto& endpoint : backend.endpoints()) config.endpoints.push_back("backend " + endpoint);
  config.clock = clock_name();
  config.instance = random_instance();
  config.broker_id = random_id();
  config.pid = static_cast<std::uint64_t>(::getpid());
  return config;
}

}  // namespace

Server::Server(const Options& options, int signals)
    : frontend_(context_, Side::frontend, peer_serial_, options.core.max_body),
      backend_(context_, Side::backend, peer_serial_, options.core.max_body),
      core_(with_endpoints(options, frontend_, backend_), Clock::now()),
      wire_(core_),
      pools_(options.services, options.worker_command, backend_.endpoints().front()),
      signals_(signals) {}

int Server::run() {
  TimePoint now = Clock::now();
  bool busy = true;
  while (!finished(now)) {
    if (!busy) wait();
    now = Clock::now();
    busy = receive(now);
    read_signals(now);
    look_for_lost(backend_, Side::backend, now);
    look_for_lost(frontend_, Side::frontend, now);
    for (const auto& event : pools_.tick(now)) core_.handle(event, now);
    core_.tick(now);
    flush(now);
  }
  return stop_signals_ > 1 ? 128 + SIGTERM : 0;
}

bool Server::receive(TimePoint now) {
  const bool from_backend = receive_from(backend_, Side::backend, now);
  const bool from_frontend = receive_from(frontend_, Side::frontend, now);
  return from_backend || from_frontend;
}

bool Server::receive_from(Gate& gate, Side side, TimePoint now) {
  Received received;
  int count = 0;
  while (count < kBatch && gate.receive(received)) {
    ++count;
    wire_.receive(side, received.peer, received.frame, std::move(received.attachments), now);
  }
  (side == Side::backend ? backend_empty_ : frontend_empty_) = count < kBatch;
  return count > 0;
}

// A peer is lost only when all that it had sent has been read: its last replies count.
void Server::look_for_lost(Gate& gate, Side side, TimePoint now) {
  gate.read_monitor(now);
  if (!gate.has_suspects() || !(side == Side::backend ? backend_empty_ : frontend_empty_)) return;
  while (receive_from(gate, side, now)) {
  }
  const auto lost = gate.find_lost(now);
  if (lost.empty()) return;
  while (receive_from(gate, side, now)) {
  }
  for (const PeerId peer : lost) {
    gate.forget(peer);
    core_.handle(event::PeerLost{peer}, now);
  }
}

void Server::read_signals(TimePoint now) {
  signalfd_siginfo info{};
  while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) continue;  // pools_.tick() reaps
    stop_signals_ += 1;
    if (stop_signals_ == 1) {
      spdlog::info("stopping: running requests may finish; a second signal ends at once");
      core_.handle(event::Shutdown{}, now);
    }
  }
}

void Server::flush(TimePoint now) {
  frontend_.retry_unsent();
  backend_.retry_unsent();
  for (auto& message : core_.outbox().take_messages()) {
    (message.side == Side::frontend ? frontend_ : backend_).send(std::move(message));
  }
  for (const auto& note : core_.outbox().take_notes()) notes_.write(note, now);
  if (const auto dropped = frontend_.dropped(); dropped > dropped_told_) {
    const auto count = dropped - std::exchange(dropped_told_, dropped);
    core_.handle(event::RepliesDropped{count}, now);
    notes_.write({Note::Level::warning, "dropped replies",
                  std::to_string(count) + " replies dropped: their client does not read, or has gone"},
                 now);
  }
}

bool Server::finished(TimePoint now) {
  if (stop_signals_ > 1) return true;
  if (!core_.drained()) return false;
  if (!part_at_) part_at_ = frontend_.has_peers() ? now + kParting : now;
  pools_.stop(now);
  return pools_.all_gone() && *part_at_ <= now;
}

long Server::wait_ms(TimePoint now) const {
  long ms =
      frontend_.has_unsent() || backend_.has_unsent() || frontend_.has_suspects() || backend_.has_suspects()
          ? kLookAgainMs
          : -1;
  const auto parting = part_at_ && *part_at_ > now ? part_at_ : std::nullopt;
  for (const auto& deadline : {core_.next_deadline(), pools_.next_deadline(), parting}) {
    if (!deadline) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now).count();
    const long bounded = std::clamp<long>(left, 0, 60'000);
    ms = ms < 0 ? bounded : std::min(ms, bounded);
  }
  return ms;
}

void Server::wait() {
  std::array<zmq::pollitem_t, 5> items{{{backend_.socket().handle(), 0, ZMQ_POLLIN, 0},
                                        {frontend_.socket().handle(), 0, ZMQ_POLLIN, 0},
                                        {backend_.monitor().handle(), 0, ZMQ_POLLIN, 0},
                                        {frontend_.monitor().handle(), 0, ZMQ_POLLIN, 0},
                                        {nullptr, signals_, ZMQ_POLLIN, 0}}};
  try {
    zmq::poll(items, std::chrono::milliseconds(wait_ms(Clock::now())));
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
  }
}

std::string Server::ready_line() const {
  std::string line = "samovard: ready";
  for (const auto& endpoint : frontend_.endpoints()) line += ", frontend " + endpoint;
  for (const auto& endpoint : backend_.endpoints()) line += ", backend " + endpoint;
  return line;
}

}  // namespace samovar::broker
