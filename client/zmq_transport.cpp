#include "client/zmq_transport.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <zmq.hpp>

#include "client/limits.hpp"
#include "proto/limits.hpp"

namespace samovar::client {
namespace {

constexpr int kReconnectMs = 20;
constexpr int kReconnectMaxMs = 500;

int milliseconds(std::chrono::milliseconds time) {
  return static_cast<int>(time.count());
}

zmq::message_t to_zmq(std::string&& bytes) {
  if (bytes.size() <= limits::kSmallFrame) return {bytes.data(), bytes.size()};
  auto* owner = new std::string(std::move(bytes));
  return {owner->data(), owner->size(), [](void*, void* hint) { delete static_cast<std::string*>(hint); },
          owner};
}

zmq::message_t to_zmq(const Buffer& buffer) {
  if (buffer.size() <= limits::kSmallFrame) return {buffer.data(), buffer.size()};
  auto* owner = new Buffer(buffer);
  return {const_cast<char*>(owner->data()), owner->size(),
          [](void*, void* hint) { delete static_cast<Buffer*>(hint); }, owner};
}

Buffer to_buffer(zmq::message_t&& message) {
  if (message.size() <= limits::kSmallFrame) {
    auto bytes = std::make_shared_for_overwrite<char[]>(message.size());
    std::memcpy(bytes.get(), message.data(), message.size());
    const std::string_view view(bytes.get(), message.size());
    return {std::move(bytes), view};
  }
  auto owner = std::make_shared<zmq::message_t>(std::move(message));
  const std::string_view view(owner->data<char>(), owner->size());
  return {std::move(owner), view};
}

bool take(zmq::socket_t& socket, zmq::message_t& part) {
  while (zmq_msg_recv(part.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) {
    if (zmq_errno() != EINTR) return false;
  }
  return true;
}

bool put(zmq::socket_t& socket, zmq::message_t&& part, bool more) {
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  while (zmq_msg_send(part.handle(), socket.handle(), flags) < 0) {
    if (zmq_errno() != EINTR) return false;
  }
  return true;
}

// One link's socket.
class Connection {
 public:
  using Event = Transport::Event;

  // Each monitor's name is its own within the context.
  Connection(zmq::context_t& context, const std::string& endpoint, const Keys& keys, std::uint64_t number)
      : secured_(!keys.broker.empty()),
        socket_(context, zmq::socket_type::dealer),
        monitor_(context, zmq::socket_type::pair) {
    using namespace zmq::sockopt;
    socket_.set(immediate, 1);  // no request waits for a connection here, or outlives one
    socket_.set(linger, 0);
    socket_.set(sndhwm, limits::kSendQueue);
    socket_.set(rcvhwm, limits::kReceiveQueue);
    socket_.set(heartbeat_ivl, milliseconds(samovar::limits::kHeartbeatInterval));
    socket_.set(heartbeat_timeout, milliseconds(samovar::limits::kHeartbeatTimeout));
    socket_.set(reconnect_ivl, kReconnectMs);
    socket_.set(reconnect_ivl_max, kReconnectMaxMs);
    if (secured_) {
      socket_.set(curve_serverkey, keys.broker);
      socket_.set(curve_publickey, keys.own.public_key);
      socket_.set(curve_secretkey, keys.own.secret_key);
    }
    if (endpoint.find('[') != std::string::npos) socket_.set(ipv6, 1);

    // An unread monitor would stall the I/O thread: only the rare events, and no limit on its queue.
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    const auto address = "inproc://samovar.monitor." + std::to_string(number);
    if (zmq_socket_monitor(socket_.handle(), address.c_str(), events) != 0) throw zmq::error_t();
    monitor_.set(rcvhwm, 0);
    monitor_.set(linger, 0);
    monitor_.connect(address);

    socket_.connect(endpoint);
    socket_fd_ = socket_.get(fd);
    monitor_fd_ = monitor_.get(fd);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { zmq_socket_monitor(socket_.handle(), nullptr, 0); }

  bool receive(Incoming& message) {
    zmq::message_t part;
    if (!take(socket_, part)) return false;
    bool more = part.more();
    message.frame = to_buffer(std::move(part));
    message.attachments.clear();
    while (more) {
      zmq::message_t next;
      if (!take(socket_, next)) break;  // cannot be: the parts of a message arrive together
      more = next.more();
      message.attachments.push_back(to_buffer(std::move(next)));
    }
    return true;
  }

  bool next_event(Event& event) {
    zmq::message_t head;
    zmq::message_t address;
    std::uint16_t number = 0;
    if (!monitor_ready_ && Clock::now() < look_again_at_) return false;  // to look costs two system calls
    monitor_ready_ = take(monitor_, head) && head.size() >= sizeof number;
    if (!monitor_ready_) {
      look_again_at_ = Clock::now() + limits::kLookForEvents;
      return false;
    }
    std::memcpy(&number, head.data(), sizeof number);
    std::uint32_t value = 0;
    if (head.size() >= sizeof number + sizeof value) {
      std::memcpy(&value, head.data<char>() + sizeof number, sizeof value);
    }
    if (head.more()) take(monitor_, address);
    event = number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED     ? Event::connected
            : number == ZMQ_EVENT_DISCONNECTED          ? Event::disconnected
            : number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? Event::refused
            : value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
                ? (secured_ ? Event::takes_no_key : Event::wants_key)
                : Event::handshake_failed;
    return true;
  }

  bool send(Message& message) {
    if (!put(socket_, to_zmq(std::move(message.frame)), !message.attachments.empty())) return false;
    for (std::size_t i = 0; i < message.attachments.size(); ++i) {
      put(socket_, to_zmq(message.attachments[i]), i + 1 < message.attachments.size());
    }
    return true;
  }

  Transport::Readiness readiness() {
    const int events = socket_.get(zmq::sockopt::events);
    return {(events & ZMQ_POLLIN) != 0, (events & ZMQ_POLLOUT) != 0};
  }

  int socket_fd() const { return socket_fd_; }
  int monitor_fd() const { return monitor_fd_; }
  void monitor_is_ready(bool ready) { monitor_ready_ = ready; }

 private:
  const bool secured_;
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
  int socket_fd_ = -1;
  int monitor_fd_ = -1;
  bool monitor_ready_ = true;  // it may have an event
  TimePoint look_again_at_{};  // though wait() has seen none
};

class ZmqTransport final : public Transport {
 public:
  explicit ZmqTransport(Keys keys)
      : wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), keys_(std::move(keys)), context_(1) {
    if (wake_fd_.fd < 0) throw std::runtime_error(std::string("no eventfd: ") + std::strerror(errno));
  }

  void open(LinkId link, const std::string& endpoint) override {
    try {
      if (connections_.size() <= index_of(link)) connections_.resize(index_of(link) + 1);
      at(link) = std::make_unique<Connection>(context_, endpoint, keys_, opened_++);
      return;
    } catch (const zmq::error_t& error) {
      if (error.num() != EINVAL && error.num() != ENAMETOOLONG && error.num() != ENODEV) {
        throw std::runtime_error("cannot connect to " + endpoint + ": " + error.what());
      }
    }
    throw std::invalid_argument("'" + endpoint + "' cannot be connected to: libzmq takes it for no address");
  }

  void close(LinkId link) override { at(link).reset(); }
  bool receive(LinkId link, Incoming& message) override { return at(link)->receive(message); }
  bool next_event(LinkId link, Event& event) override { return at(link)->next_event(event); }
  bool send(Message& message) override { return at(message.link)->send(message); }
  Readiness readiness(LinkId link) override { return at(link)->readiness(); }

  void wait(std::optional<TimePoint> until) override {
    fds_.assign({{wake_fd_.fd, POLLIN, 0}});
    for (const auto& each : connections_) {
      if (!each) continue;
      fds_.push_back({each->socket_fd(), POLLIN, 0});
      fds_.push_back({each->monitor_fd(), POLLIN, 0});
    }
    timespec time{};
    if (until) {
      const auto left = std::max(*until - Clock::now(), Duration::zero());
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
      time.tv_sec = seconds.count();
      time.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
    }
    ppoll(fds_.data(), fds_.size(), until ? &time : nullptr, nullptr);
    auto fd = fds_.begin() + 2;
    for (const auto& each : connections_) {
      if (!each) continue;
      each->monitor_is_ready((fd->revents & POLLIN) != 0);
      fd += 2;
    }
    if ((fds_[0].revents & POLLIN) != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = read(wake_fd_.fd, &count, sizeof count);
    }
  }

  void wake() noexcept override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = write(wake_fd_.fd, &one, sizeof one);
  }

  void close_all() override {
    connections_.clear();
    context_.close();
  }

 private:
  struct Fd {
    explicit Fd(int number) : fd(number) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() {
      if (fd >= 0) ::close(fd);
    }
    int fd;
  };

  std::unique_ptr<Connection>& at(LinkId link) { return connections_[index_of(link)]; }

  Fd wake_fd_;
  const Keys keys_;
  zmq::context_t context_;
  std::vector<std::unique_ptr<Connection>> connections_;  // by LinkId; null: none
  std::uint64_t opened_ = 0;
  std::vector<pollfd> fds_;  // kept for its capacity
};

}  // namespace

std::unique_ptr<Transport> make_zmq_transport(Keys keys) {
  return std::make_unique<ZmqTransport>(std::move(keys));
}

}  // namespace samovar::client
