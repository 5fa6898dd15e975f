#include "tests/client/fake_broker.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <utility>

#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::client {
namespace {

std::atomic<std::uint64_t> next_epoch{1000};

}  // namespace

std::string FakeRequest::first_argument() const {
  proto::Cursor cursor(body);
  std::uint32_t size = 0;
  std::string_view value;
  if (!cursor.read_array(size) || size == 0 || !cursor.skip(limits::kMaxDepth, value))
    return std::string(proto::kNil);
  return std::string(value);
}

FakeBroker::FakeBroker(Handler handler, const std::string& endpoint)
    : handler_(std::move(handler)),
      context_(1),
      socket_(context_, zmq::socket_type::router),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  hello.software = "fake";
  hello.max_body = limits::kDefaultMaxBody;
  hello.max_bundle = limits::kMaxBundle;
  hello.heartbeat_ms = 2000;
  hello.default_timeout_us = 30'000'000;
  hello.max_timeout_us = 86'400'000'000;
  socket_.set(zmq::sockopt::linger, 0);
  socket_.set(zmq::sockopt::sndhwm, 0);  // drops nothing
  socket_.set(zmq::sockopt::rcvhwm, 0);
  socket_.bind(endpoint);
  endpoint_ = socket_.get(zmq::sockopt::last_endpoint);
  thread_ = std::thread([this] { serve(); });
}

FakeBroker::~FakeBroker() {
  stop_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = write(wake_fd_, &one, sizeof one);
  thread_.join();
  socket_.close();
  context_.close();
  close(wake_fd_);
}

void FakeBroker::serve() {
  while (!stop_) {
    zmq::pollitem_t items[] = {{socket_.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, wake_fd_, ZMQ_POLLIN, 0}};
    zmq::poll(items, 2, std::chrono::milliseconds(-1));
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = read(wake_fd_, &count, sizeof count);
    std::vector<std::function<void(FakeBroker&)>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (auto& task : tasks) task(*this);
    for (;;) {
      std::vector<zmq::message_t> parts;
      zmq::message_t part;
      if (!socket_.recv(part, zmq::recv_flags::dontwait)) break;
      for (;;) {
        const bool more = part.more();
        parts.push_back(std::move(part));
        if (!more) break;
        part = zmq::message_t();
        (void)socket_.recv(part);
      }
      on_message(parts);
    }
  }
}

void FakeBroker::on_message(std::vector<zmq::message_t>& parts) {
  const std::string peer = parts.at(0).to_string();
  const std::string frame = parts.at(1).to_string();
  proto::Head head;
  if (proto::decode_head(frame, head) != nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    last_peer_ = peer;
  }
  if (head.kind == static_cast<std::uint64_t>(proto::Kind::hello)) {
    proto::PeerHello peer_hello;
    if (proto::decode(frame, peer_hello) != nullptr) return;
    if (refuse) return send(peer, proto::encode(0, proto::ProtocolError{"speak version 2", 1, {2}}));
    epochs_[peer] = ++next_epoch;
    hello.nonce = peer_hello.nonce;
    ++hellos_;
    return send(peer, proto::encode(epochs_[peer], hello));
  }
  if (head.epoch != epochs_[peer]) {
    return send(peer, proto::encode(proto::Kind::register_again, 0, proto::Notice{"unknown epoch"}));
  }
  if (head.kind == static_cast<std::uint64_t>(proto::Kind::cancel)) {
    std::vector<std::uint64_t> ids;
    if (proto::decode_ids(frame, ids) != nullptr) return;
    const std::lock_guard lock(mutex_);
    cancels_ += ids.size();
    changed_.notify_all();
    return;
  }
  if (head.kind == static_cast<std::uint64_t>(proto::Kind::window)) {
    std::vector<proto::Window> windows;
    if (proto::decode_windows(frame, windows) != nullptr) return;
    for (const auto& [id, count] : windows) {
      {
        const std::lock_guard lock(mutex_);
        windows_.push_back(count);
        changed_.notify_all();
      }
      if (on_window) on_window(*this, id, count);
    }
    return;
  }
  std::vector<proto::RequestItem> items;
  std::uint64_t sent_us = 0;
  if (proto::decode_requests(frame, parts.size() - 2, sent_us, items) != nullptr) return;
  std::size_t attachment = 2;
  for (const auto& item : items) {
    FakeRequest request{peer,
                        head.epoch,
                        sent_us,
                        item.id,
                        item.attempt,
                        item.flags,
                        item.timeout_us,
                        static_cast<std::uint8_t>(item.priority),
                        std::string(item.method),
                        std::string(item.body),
                        std::string(item.ext),
                        {},
                        items.size()};
    for (std::uint32_t i = 0; i < item.attachments; ++i) {
      request.attachments.push_back(parts.at(attachment++).to_string());
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      changed_.notify_all();
    }
    handler_(*this, request);
  }
}

void FakeBroker::send(const std::string& peer, std::string frame,
                      const std::vector<std::string>& attachments) {
  socket_.send(zmq::buffer(peer), zmq::send_flags::sndmore);
  socket_.send(zmq::buffer(frame), attachments.empty() ? zmq::send_flags::none : zmq::send_flags::sndmore);
  for (std::size_t i = 0; i < attachments.size(); ++i) {
    socket_.send(zmq::buffer(attachments[i]),
                 i + 1 < attachments.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
}

void FakeBroker::reply(const FakeRequest& request, std::string_view value, Status status,
                       std::string_view ext, const std::vector<std::string>& attachments,
                       std::uint64_t run_us) {
  proto::BundleWriter writer(proto::Kind::reply, request.epoch);
  writer.add_reply(request.id, request.attempt, status, run_us, std::string(value) + std::string(ext));
  send(request.peer, std::move(writer).finish(), attachments);
}

void FakeBroker::items(const FakeRequest& request, std::uint64_t seq, const std::vector<std::string>& values,
                       const std::vector<std::string>& attachments) {
  proto::BundleWriter writer(proto::Kind::items, request.epoch);
  std::string ext(proto::kNil);
  if (!attachments.empty()) {
    ext.clear();
    proto::append_map(ext, 1);
    proto::append_str(ext, "attachments");
    proto::append_uint(ext, attachments.size());
  }
  for (const auto& value : values) {
    writer.add_item(request.id, request.attempt, seq++, value + std::exchange(ext, std::string(proto::kNil)));
  }
  send(request.peer, std::move(writer).finish(), attachments);
}

void FakeBroker::fail(const FakeRequest& request, Status status, const proto::ErrorValue& error) {
  reply(request, proto::encode_error(error), status);
}

void FakeBroker::run(const std::function<void(FakeBroker&)>& task) {
  const auto done = std::make_shared<std::promise<void>>();
  {
    const std::lock_guard lock(mutex_);
    tasks_.emplace_back([&task, done](FakeBroker& broker) {
      task(broker);
      done->set_value();
    });
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = write(wake_fd_, &one, sizeof one);
  done->get_future().wait();
}

bool FakeBroker::wait_for(const std::function<bool()>& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20), condition);
}

bool FakeBroker::wait_for_requests(std::size_t count) {
  return wait_for([&] { return requests_.size() >= count; });
}

bool FakeBroker::wait_for_cancels(std::size_t count) {
  return wait_for([&] { return cancels_ >= count; });
}

bool FakeBroker::wait_for_window(std::uint64_t items) {
  return wait_for([&] { return !windows_.empty() && windows_.back() >= items; });
}

std::vector<std::uint64_t> FakeBroker::windows() {
  const std::lock_guard lock(mutex_);
  return windows_;
}

std::vector<FakeRequest> FakeBroker::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string FakeBroker::last_peer() {
  const std::lock_guard lock(mutex_);
  return last_peer_;
}

void echo(FakeBroker& broker, const FakeRequest& request) {
  broker.reply(request, request.first_argument());
}

void hold(FakeBroker&, const FakeRequest&) {}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = std::filesystem::temp_directory_path() / "samovar-XXXXXX";
  path_ = mkdtemp(name.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::filesystem::remove_all(path_);
}

}  // namespace samovar::client
