// NATS request and reply: an inbox of its own, one reply subject a slot, all calls under way on one connection.
#include <nats/nats.h>

#include <atomic>
#include <thread>

#include "tests/bench/drive/transport.hpp"

namespace samovar::bench {

namespace {

void check(natsStatus status, const char* what) {
  if (status != NATS_OK) throw std::runtime_error(std::string(what) + ": " + natsStatus_GetText(status));
}

class Nats final : public Transport {
 public:
  explicit Nats(const TransportOptions& options) : endpoint_(options.endpoint) {
    connect(false);
    natsMsg* reply = nullptr;
    Payload payload(options.body);
    const std::string& body = payload.next();
    check(natsConnection_Request(&reply, connection_, "bench", body.data(), static_cast<int>(body.size()),
                                 10'000),
          "first call");
    natsMsg_Destroy(reply);
  }

  ~Nats() override { disconnect(); }

  void run(Calls& calls, Payload& payload) override {
    calls_ = &calls;
    payload_ = &payload;
    // Each load in its better mode: a lone call must not wait for the flusher.
    disconnect();
    connect(calls.outstanding() == 1);
    check(natsInbox_Create(&inbox_), "inbox");
    const std::string pattern = std::string(inbox_) + ".*";
    for (std::size_t slot = 0; slot < calls.outstanding(); ++slot) {
      subjects_.push_back(std::string(inbox_) + "." + std::to_string(slot));
    }
    check(natsConnection_Subscribe(&subscription_, connection_, pattern.c_str(), answered, this),
          "subscribe");
    check(natsSubscription_SetPendingLimits(subscription_, -1, -1), "limits");
    // All begin in a callback: everything happens on one thread.
    check(natsConnection_PublishString(connection_, (std::string(inbox_) + ".start").c_str(), ""), "start");
    over_.wait(false);
    if (!failure_.empty()) throw std::runtime_error(failure_);
  }

 private:
  void connect(bool at_once) {
    natsOptions* options = nullptr;
    check(natsOptions_Create(&options), "options");
    natsOptions_SetURL(options, endpoint_.c_str());
    natsOptions_SetSendAsap(options, at_once);
    const natsStatus status = natsConnection_Connect(&connection_, options);
    natsOptions_Destroy(options);
    check(status, "connect");
  }

  void disconnect() {
    natsSubscription_Destroy(subscription_);
    natsConnection_Destroy(connection_);
    natsInbox_Destroy(inbox_);
    subscription_ = nullptr;
    connection_ = nullptr;
    inbox_ = nullptr;
  }

  void send(std::size_t slot) {
    const std::string& body = payload_->next();
    check(natsConnection_PublishRequest(connection_, "bench", subjects_[slot].c_str(), body.data(),
                                        static_cast<int>(body.size())),
          "publish");
  }

  static void answered(natsConnection*, natsSubscription*, natsMsg* message, void* self) {
    auto& nats = *static_cast<Nats*>(self);
    try {
      nats.take(*message);
    } catch (const std::exception& error) {
      nats.failure_ = error.what();
      nats.end();
    }
    natsMsg_Destroy(message);
  }

  void take(const natsMsg& message) {
    const std::string_view subject(natsMsg_GetSubject(&message));
    const std::string_view word = subject.substr(subject.rfind('.') + 1);
    if (word == "start") {
      for (std::size_t slot = 0; slot < calls_->outstanding(); ++slot) {
        calls_->begin(slot);
        send(slot);
      }
      return;
    }
    payload_->check({natsMsg_GetData(&message), static_cast<std::size_t>(natsMsg_GetDataLength(&message))});
    const std::size_t slot = std::stoul(std::string(word));
    if (calls_->end(slot)) {
      calls_->begin_again(slot);
      send(slot);
    } else if (calls_->over()) {
      end();
    }
  }

  void end() {
    over_ = true;
    over_.notify_one();
  }

  const std::string endpoint_;
  natsConnection* connection_ = nullptr;
  natsSubscription* subscription_ = nullptr;
  natsInbox* inbox_ = nullptr;
  std::vector<std::string> subjects_;  // by slot
  Calls* calls_ = nullptr;
  Payload* payload_ = nullptr;
  std::string failure_;
  std::atomic<bool> over_{false};
};

}  // namespace

std::unique_ptr<Transport> make_nats(const TransportOptions& options) {
  return std::make_unique<Nats>(options);
}

}  // namespace samovar::bench
