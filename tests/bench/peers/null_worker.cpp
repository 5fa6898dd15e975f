#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <vector>
#include <zmq.hpp>

#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"
#include "tests/bench/peers/peers.hpp"

namespace samovar::bench {

namespace {

class NullWorker {
 public:
  explicit NullWorker(const std::string& backend) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, 0);
    socket_.set(zmq::sockopt::rcvhwm, 0);
    socket_.connect(backend);
    proto::PeerHello hello;
    hello.role = proto::Role::worker;
    hello.nonce = 1;
    hello.name = "null";
    hello.pid = static_cast<std::uint64_t>(::getpid());
    send(proto::encode(0, hello));
    lookup_tail_ = fixed_answer() + std::string(proto::kNil);
  }

  void run() {
    for (;;) {
      receive();
      proto::Head head;
      if (proto::decode_head(frame_.to_string_view(), head) != nullptr) continue;
      switch (static_cast<proto::Kind>(head.kind)) {
        case proto::Kind::hello: get_ready(head.epoch); break;
        case proto::Kind::request: answer(); break;
        case proto::Kind::register_again: throw std::runtime_error("the broker has forgotten this worker");
        default: break;
      }
    }
  }

 private:
  void send(const std::string& frame) { socket_.send(zmq::buffer(frame), zmq::send_flags::none); }

  void receive() {
    attachments_.clear();
    while (!socket_.recv(frame_)) {
    }
    for (bool more = frame_.more(); more;) {
      zmq::message_t attachment;
      if (!socket_.recv(attachment)) continue;
      more = attachment.more();
      attachments_.push_back(std::move(attachment));
    }
  }

  void get_ready(std::uint64_t epoch) {
    epoch_ = epoch;
    proto::Ready ready;
    ready.service = "bench";
    for (const char* method : {"lookup", "echo", "echo_attached"}) ready.methods[method] = {true};
    ready.credit = limits::kMaxCredit;
    ready.pid = static_cast<std::uint64_t>(::getpid());
    ready.name = "null";
    send(proto::encode(epoch_, ready));
    std::puts("ready");
    std::fflush(stdout);
  }

  void answer() {
    std::uint64_t sent_us = 0;
    if (proto::decode_requests(frame_.to_string_view(), attachments_.size(), sent_us, items_) != nullptr)
      return;
    proto::BundleWriter writer(proto::Kind::reply, epoch_);
    for (const auto& item : items_) {
      writer.add_reply(item.id, item.attempt, Status::ok, 0, tail_for(item));
    }
    const std::string frame = std::move(writer).finish();
    // Items take the attachments in order, and so do the replies.
    const bool attached = !attachments_.empty();
    socket_.send(zmq::buffer(frame), attached ? zmq::send_flags::sndmore : zmq::send_flags::none);
    for (std::size_t i = 0; i < attachments_.size(); ++i) {
      const bool last = i + 1 == attachments_.size();
      socket_.send(attachments_[i], last ? zmq::send_flags::none : zmq::send_flags::sndmore);
    }
  }

  std::string_view tail_for(const proto::RequestItem& item) {
    if (item.attachments != 0) {
      tail_ = proto::kNil;
      proto::append_map(tail_, 1);
      proto::append_str(tail_, "attachments");
      proto::append_uint(tail_, item.attachments);
      return tail_;
    }
    std::uint32_t arguments = 0;
    std::string_view argument;
    proto::Cursor cursor(item.body);
    if (item.method != "bench.echo" || !cursor.read_array(arguments) || arguments != 1 ||
        !cursor.skip(limits::kMaxDepth, argument)) {
      return lookup_tail_;
    }
    tail_ = argument;
    tail_ += proto::kNil;
    return tail_;
  }

  zmq::context_t context_{1};
  zmq::socket_t socket_{context_, zmq::socket_type::dealer};
  std::uint64_t epoch_ = 0;
  zmq::message_t frame_;
  std::vector<zmq::message_t> attachments_;
  std::vector<proto::RequestItem> items_;
  std::string lookup_tail_;
  std::string tail_;
};

}  // namespace

int null_worker(const std::string& backend) {
  NullWorker(backend).run();
  return 0;
}

}  // namespace samovar::bench
