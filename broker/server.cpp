#include "broker/server.hpp"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "broker/host.hpp"
#include "proto/key_file.hpp"

namespace samovar::broker {
namespace {

using namespace std::chrono_literals;

// What is taken from one side in one turn, so that no side starves the other, or the timers: some thousand small
// requests, half a millisecond of work.
constexpr int kBatchMessages = 256;
constexpr std::size_t kBatchBytes = 64 * 1024;

// As many batches at once before a peer is said to be lost.
constexpr int kCatchUp = 64;

// While a peer's queue is full, or a peer is suspect, the loop looks again this often.
constexpr int kLookAgainMs = 2;

// A loop that always finds messages looks at signals and at broken connections at least this often.
constexpr auto kLookEvery = 1ms;

// The clock for people may be set, or go on while this machine sleeps.
constexpr auto kTellTimeEvery = 5s;

// What a client's libzmq (with ZMQ_IMMEDIATE) has received and the client has not read is dropped when the connection
// ends: so long it has for the last replies.
constexpr auto kParting = 200ms;
// And so long to say that they know that this broker goes away: what they have sent until then is answered.
constexpr auto kLongestParting = 1s;

std::string secret_key(const SecurityOptions& security) {
  if (security.key.empty()) return {};
  try {
    return proto::read_key_pair(security.key).secret_key;
  } catch (const proto::BadKey& error) {
    throw BadOptions(error.what());
  }
}

CoreConfig with_endpoints(const Options& options, Gate& frontend, Gate& backend) {
  CoreConfig config = options.core;
  config.secured = !options.security.key.empty();
  config.traces = !options.traces.empty();
  for (const auto& endpoint : options.frontend) frontend.bind(endpoint);
  for (const auto& endpoint : options.backend) backend.bind(endpoint);
  for (const auto& endpoint : frontend.endpoints()) config.endpoints.push_back("frontend " + endpoint);
  for (const auto& endpoint : backend.endpoints()) config.endpoints.push_back("backend " + endpoint);
  config.clock = clock_name();
  config.instance = random_instance();
  config.broker_id = random_id();
  config.secret = random_number();
  config.pid = static_cast<std::uint64_t>(::getpid());
  return config;
}

}  // namespace

Server::Server(const Options& options, int signals, ServiceManager& manager)
    : context_(options.security.key.empty() ? 1 : 2),
      security_(options.security),
      access_(security_.allow.empty() ? nullptr : read_access_list(security_.allow)),
      zap_(access_ ? std::make_unique<Zap>(context_, access_) : nullptr),
      connections_(options.connections),
      frontend_(context_, Side::frontend, peer_serial_, connections_, options.core.max_body,
                secret_key(security_)),
      backend_(context_, Side::backend, peer_serial_, connections_, options.core.max_body,
               secret_key(security_)),
      core_(with_endpoints(options, frontend_, backend_), Clock::now()),
      wire_(core_),
      pools_(options.services, options.worker_command, backend_.endpoints().front(), security_),
      saved_requests_(options.state_directory.empty() ? default_state_directory() : options.state_directory),
      tracer_(options.traces.empty() ? nullptr : std::make_unique<Tracer>(options.traces)),
      signals_(signals),
      manager_(manager) {}

int Server::run() {
  for (TimePoint now = Clock::now(); !finished(now);) {
    wait();
    now = Clock::now();
    manager_.alive(now);
    if (now - clock_told_ >= kTellTimeEvery) tell_time(now);
    receive(backend_, Side::backend, now);
    receive(frontend_, Side::frontend, now);
    read_signals(now);
    look_for_lost(backend_, Side::backend, now);
    look_for_lost(frontend_, Side::frontend, now);
    for (const auto& event : pools_.tick(now)) core_.handle(event, now);
    core_.tick(now);
    if (core_.has_poisoned()) save_poisoned(now);
    flush(now);
  }
  return stop_signals_ > 1 ? 128 + SIGTERM : 0;
}

void Server::tell_time(TimePoint now) {
  clock_told_ = now;
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  core_.handle(event::WallClock{static_cast<std::uint64_t>(
                   std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count())},
               now);
}

void Server::receive(Gate& gate, Side side, TimePoint now) {
  Received received;
  std::size_t bytes = 0;
  for (int count = 0; count < kBatchMessages && bytes < kBatchBytes && gate.receive(received); ++count) {
    bytes += received.frame->bytes().size();
    if (received.is_new && access_) grant(gate, side, received.peer, now);
    wire_.receive(side, received.peer, received.frame, std::move(received.attachments), now);
  }
}

// A peer is lost only when all that it had sent has been read: its last replies count.
void Server::look_for_lost(Gate& gate, Side side, TimePoint now) {
  gate.read_monitor(now);
  if (!gate.has_suspects()) return;
  // Peers take turns in the socket: what one peer may have sent is read by then, whatever others send.
  const auto receive_all = [&] {
    for (int batch = 0; batch < kCatchUp && gate.may_receive(); ++batch) receive(gate, side, now);
  };
  receive_all();
  const auto lost = gate.find_lost(now);
  if (lost.empty()) return;
  receive_all();
  for (const PeerId peer : lost) {
    gate.forget(peer);
    core_.handle(event::PeerLost{peer}, now);
  }
}

// Tells the core what a peer may do: nothing, if its key has been taken from the list since its handshake.
void Server::grant(Gate& gate, Side side, PeerId peer, TimePoint now) {
  const auto at = access_->find(gate.key_of(peer));
  core_.handle(event::Granted{side, peer, at == access_->end() ? nullptr : at->second}, now);
}

void Server::read_access_again(TimePoint now) {
  if (!access_) return spdlog::info("SIGHUP: there is no list of keys to read again");
  try {
    access_ = read_access_list(security_.allow);
  } catch (const BadOptions& error) {
    return spdlog::error("the list of keys stays as it was: {}", error.what());
  }
  zap_->allow(access_);
  for (const PeerId peer : frontend_.peers()) grant(frontend_, Side::frontend, peer, now);
  for (const PeerId peer : backend_.peers()) grant(backend_, Side::backend, peer, now);
  spdlog::info("the list of keys has been read again: {} keys", access_->size());
}

void Server::read_signals(TimePoint now) {
  if (!std::exchange(signalled_, false)) return;
  signalfd_siginfo info{};
  while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) {
      pools_.reap(now);
      continue;
    }
    if (info.ssi_signo == SIGHUP) {
      read_access_again(now);
      continue;
    }
    stop_signals_ += 1;
    if (stop_signals_ == 1) {
      spdlog::info("stopping: running requests may finish; a second signal ends at once");
      manager_.stopping();
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
  for (const auto& [peer, streams] : frontend_.take_dropped_items()) {
    core_.handle(event::ItemsDropped{peer, streams}, now);
    for (auto& message : core_.outbox().take_messages()) {
      (message.side == Side::frontend ? frontend_ : backend_).send(std::move(message));
    }
  }
  if (core_.traces().has_ended()) tracer_->add(core_.traces().take(), core_.traces().take_dropped());
  tell_connections(now);
  for (const auto& note : core_.outbox().take_notes()) notes_.write(note, now);
  if (zap_ && zap_->refused() > refused_told_) {
    const auto refused = zap_->refused();
    core_.handle(event::HandshakesRefused{refused - std::exchange(refused_told_, refused)}, now);
  }
  if (const auto dropped = frontend_.dropped(); dropped > dropped_told_) {
    const auto count = dropped - std::exchange(dropped_told_, dropped);
    core_.handle(event::RepliesDropped{count}, now);
    notes_.write({Note::Level::warning, "dropped replies",
                  std::to_string(count) + " replies dropped: their client does not read, or has gone"},
                 now);
  }
}

void Server::tell_connections(TimePoint now) {
  const event::Connections connections{connections_.open(), connections_.refused()};
  if (connections == connections_told_) return;
  connections_told_ = connections;
  core_.handle(connections, now);
  for (const auto& note : connections_.take_notes()) notes_.write(note, now);
}

void Server::save_poisoned(TimePoint now) {
  for (const auto& request : core_.take_poisoned()) {
    std::string why;
    const auto file = saved_requests_.save(request, why);
    if (file.empty()) {
      spdlog::warn("a refused request of '{}' cannot be saved: {}", request.method, why);
    } else {
      spdlog::warn("a refused request of '{}' is saved: samovar replay {}", request.method, file);
      core_.handle(event::PoisonSaved{request.key, file}, now);
    }
  }
}

bool Server::finished(TimePoint now) {
  if (stop_signals_ > 1) return true;
  if (!core_.drained()) return false;
  if (!part_at_) part_at_ = frontend_.has_peers() ? now + kParting : now;
  pools_.stop(now);
  if (*part_at_ <= now && !core_.clients_drained() && !last_call_at_) {
    last_call_at_ = now + (kLongestParting - kParting);
    part_at_ = last_call_at_;
  }
  return pools_.all_gone() && (*part_at_ <= now || (last_call_at_ && core_.clients_drained()));
}

int Server::wait_ms(TimePoint now) const {
  int ms =
      frontend_.has_unsent() || backend_.has_unsent() || frontend_.has_suspects() || backend_.has_suspects()
          ? kLookAgainMs
          : -1;
  const auto parting = part_at_ && *part_at_ > now ? part_at_ : std::nullopt;
  for (const auto& deadline :
       {core_.next_deadline(), pools_.next_deadline(), manager_.next_alive(), parting}) {
    if (!deadline) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now).count();
    const int bounded = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    ms = ms < 0 ? bounded : std::min(ms, bounded);
  }
  return ms;
}

// Sleeps until there is something to do. zmq_poll would do, but it asks each socket twice, with a system call each
// time; here only those are asked that may have something.
void Server::wait() {
  const TimePoint now = Clock::now();
  const bool more = backend_.may_receive() || frontend_.may_receive();
  if (more && now - looked_at_ < kLookEvery) return;
  looked_at_ = now;
  std::array<pollfd, 5> items{{{signals_, POLLIN, 0},
                               {backend_.descriptor(), POLLIN, 0},
                               {frontend_.descriptor(), POLLIN, 0},
                               {backend_.monitor_descriptor(), POLLIN, 0},
                               {frontend_.monitor_descriptor(), POLLIN, 0}}};
  if (::poll(items.data(), items.size(), more ? 0 : wait_ms(now)) <= 0) return;
  signalled_ = items[0].revents != 0;
  if (items[1].revents) backend_.wake();
  if (items[2].revents) frontend_.wake();
  if (items[3].revents) backend_.wake_monitor();
  if (items[4].revents) frontend_.wake_monitor();
}

std::string Server::ready_line() const {
  std::string line = "samovard: ready";
  for (const auto& endpoint : frontend_.endpoints()) line += ", frontend " + endpoint;
  for (const auto& endpoint : backend_.endpoints()) line += ", backend " + endpoint;
  return line;
}

}  // namespace samovar::broker
