// A broker for tests of the client: a ROUTER on a thread of its own that speaks the real codec and answers as the
// test tells it to.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>
#include <zmq.hpp>

#include <samovar/status.hpp>

#include "proto/codec.hpp"
#include "proto/control.hpp"

namespace samovar::client {

struct FakeRequest {
  std::string peer;
  std::uint64_t epoch = 0;
  std::uint64_t sent_us = 0;
  std::uint64_t id = 0;
  std::uint8_t attempt = 0;
  std::uint32_t flags = 0;
  std::uint64_t timeout_us = 0;
  std::uint8_t priority = 0;
  std::string method;
  std::string body;  // args and kwargs
  std::string ext;
  std::vector<std::string> attachments;
  std::size_t in_bundle = 0;  // how many requests its message had

  // The first positional argument, as msgpack.
  std::string first_argument() const;
};

class FakeBroker {
 public:
  // Runs on the broker's thread, for each request.
  using Handler = std::function<void(FakeBroker&, const FakeRequest&)>;
  // The same, for each WINDOW: the request's id, and how many items its reader takes in all.
  std::function<void(FakeBroker&, std::uint64_t id, std::uint64_t items)> on_window;  // set in run()

  // An endpoint of "tcp://127.0.0.1:*" gets a free port.
  explicit FakeBroker(Handler handler, const std::string& endpoint = "tcp://127.0.0.1:*");
  // As if it were killed.
  ~FakeBroker();
  FakeBroker(const FakeBroker&) = delete;
  FakeBroker& operator=(const FakeBroker&) = delete;

  const std::string& endpoint() const { return endpoint_; }

  // On the broker's thread only.
  void reply(const FakeRequest& request, std::string_view value, Status status = Status::ok,
             std::string_view ext = proto::kNil, const std::vector<std::string>& attachments = {},
             std::uint64_t run_us = 0);
  // Items of a stream in one message, numbered from `seq` on; the attachments are the first one's.
  void items(const FakeRequest& request, std::uint64_t seq, const std::vector<std::string>& values,
             const std::vector<std::string>& attachments = {});
  void end(const FakeRequest& request) { reply(request, proto::kNil); }
  void fail(const FakeRequest& request, Status status, const proto::ErrorValue& error);
  void send(const std::string& peer, std::string frame, const std::vector<std::string>& attachments = {});

  // From any thread: run on the broker's thread. Returns when it has been done.
  void run(const std::function<void(FakeBroker&)>& task);

  // Wait, for 20 s at most. False when it did not come.
  bool wait_for_requests(std::size_t count);
  bool wait_for_cancels(std::size_t count);
  // The last window that was said for any stream is this, or more.
  bool wait_for_window(std::uint64_t items);
  std::vector<FakeRequest> requests();
  std::vector<std::uint64_t> windows();
  std::size_t hellos() const { return hellos_; }
  std::string last_peer();

  // Set in run(), before the first client connects.
  proto::BrokerHello hello;  // what it answers
  bool refuse = false;       // to answer HELLO with PROTOCOL_ERROR

 private:
  void serve();
  void on_message(std::vector<zmq::message_t>& parts);
  bool wait_for(const std::function<bool()>& condition);

  Handler handler_;
  zmq::context_t context_;
  zmq::socket_t socket_;
  std::string endpoint_;
  int wake_fd_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void(FakeBroker&)>> tasks_;
  std::vector<FakeRequest> requests_;
  std::size_t cancels_ = 0;
  std::vector<std::uint64_t> windows_;
  std::string last_peer_;
  std::atomic<std::size_t> hellos_{0};
  std::atomic<bool> stop_{false};
  std::unordered_map<std::string, std::uint64_t> epochs_;
  std::thread thread_;
};

// Answers every call with its first argument.
void echo(FakeBroker& broker, const FakeRequest& request);
// Answers nothing.
void hold(FakeBroker& broker, const FakeRequest& request);

// A directory for ipc endpoints, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string endpoint() const { return "ipc://" + path_ + "/broker"; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace samovar::client
