#include "broker/zap.hpp"

#include <signal.h>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/types.hpp"
#include "broker/log.hpp"

namespace samovar::broker {
namespace {

constexpr const char* kEndpoint = "inproc://zeromq.zap.01";  // libzmq's own name
constexpr const char* kStop = "inproc://zap.stop";
constexpr std::size_t kBinaryKey = 32;

// Of a request, by RFC 27. CURVE's credentials are the peer's public key, in 32 bytes.
enum Part : std::size_t { version, request_id, domain, address, identity, mechanism, credentials, parts };

std::string to_z85(const std::string& key) {
  std::array<char, 41> text{};
  if (key.size() != kBinaryKey) return {};
  zmq_z85_encode(text.data(), reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
  return text.data();
}

}  // namespace

Zap::Zap(zmq::context_t& context, AccessListPtr allowed)
    : requests_(context, ZMQ_REP),
      stop_(context, ZMQ_PAIR),
      stopping_(context, ZMQ_PAIR),
      allowed_(std::move(allowed)) {
  requests_.set(zmq::sockopt::linger, 0);
  requests_.bind(kEndpoint);
  stop_.bind(kStop);
  stopping_.connect(kStop);
  thread_ = std::thread([this] { run(); });
}

Zap::~Zap() {
  stopping_.send(zmq::message_t(), zmq::send_flags::none);
  thread_.join();
}

void Zap::allow(AccessListPtr allowed) {
  const std::scoped_lock lock(mutex_);
  allowed_ = std::move(allowed);
}

void Zap::run() {
  // Signals are the server's.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::array<zmq::pollitem_t, 2> items{
      {{requests_.handle(), 0, ZMQ_POLLIN, 0}, {stop_.handle(), 0, ZMQ_POLLIN, 0}}};
  for (;;) {
    zmq::poll(items.data(), items.size(), std::chrono::milliseconds(-1));
    if (items[1].revents != 0) return;
    if (items[0].revents != 0) answer();
  }
}

void Zap::answer() {
  std::vector<std::string> request;
  for (bool more = true; more;) {
    zmq::message_t part;
    if (!requests_.recv(part, zmq::recv_flags::none)) return;
    more = part.more();
    request.push_back(part.to_string());
  }
  std::string key;
  if (request.size() == parts && request[version] == "1.0" && request[mechanism] == "CURVE") {
    key = to_z85(request[credentials]);
  }
  const bool known = !key.empty() && is_allowed(key);
  if (!known) {
    refused_ += 1;
    log_refusal(request.size() > address ? request[address] : "", key);
  }
  // Version, request id, status, text, user id, metadata. The user id comes back with each message of the connection.
  const std::array<std::string, 6> reply{"1.0",
                                         request.size() > request_id ? request[request_id] : "",
                                         known ? "200" : "400",
                                         known ? "OK" : "unknown key",
                                         known ? key : "",
                                         ""};
  for (std::size_t i = 0; i < reply.size(); ++i) {
    requests_.send(zmq::buffer(reply[i]),
                   i + 1 < reply.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
}

bool Zap::is_allowed(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  return allowed_->contains(key);
}

void Zap::log_refusal(std::string_view address, const std::string& key) {
  log_.write({Note::Level::warning, "refused handshakes",
              "refused a handshake from " + (address.empty() ? "a local peer" : std::string(address)) +
                  ": its key " + (key.empty() ? "is none" : key + " is not in the list of allowed ones")},
             Clock::now());
}

}  // namespace samovar::broker
