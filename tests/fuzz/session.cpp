// The client's session and one to three hostile brokers. Input: how many, and a script, of which each step is a number and its
// operands.
// Each call ends once, after its items, which have no gap; what is sent can be decoded and keeps to the broker's limits;
// and when time has passed nothing is outstanding.
#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/session.hpp"
#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"
#include "tests/fuzz/frames.hpp"
#include "tests/fuzz/target.hpp"

namespace samovar::fuzz {
namespace {

using namespace samovar::client;
using namespace std::chrono_literals;
using proto::Kind;

constexpr std::array<Duration, 8> kTimes{0us, 1us, 500us, 30ms, 101ms, 5s, 31s, 25h};
constexpr std::array<std::string_view, 4> kMethods{"s.m", "other.method", "no_service", "s.m"};
constexpr std::array<std::uint64_t, 4> kBundles{1024, 3, 0, std::uint64_t{1} << 53};
constexpr std::array<std::uint64_t, 4> kBodies{1 << 20, 80, 4000, 0};

const std::string kEndpoint = "ipc://broker";

SessionConfig config() {
  SessionConfig config;
  config.name = "fuzz";
  config.max_outstanding = 40;
  config.max_waiting_bytes = 5000;
  config.retry_budget = 0.5;
  return config;
}

class Play {
 public:
  explicit Play(Script script) : script_(script) {}

  void run() {
    brokers_.resize(1 + script_.below(3));
    for (auto& broker : brokers_) broker.link = session_.add_link(kEndpoint);
    constexpr Act kActs[] = {&Play::connected, &Play::disconnected, &Play::submit,    &Play::submit,
                             &Play::send,      &Play::not_sent,     &Play::hello,     &Play::welcome,
                             &Play::reply,     &Play::items,        &Play::cancel,    &Play::widen,
                             &Play::notice,    &Play::refuse,       &Play::time,      &Play::next_deadline,
                             &Play::raw,       &Play::cancel_all,   &Play::handshake, &Play::busy,
                             &Play::replace};
    for (int steps = 0; !script_.done() && steps < 300; ++steps) {
      (this->*kActs[script_.byte() % std::size(kActs)])();
      settle();
    }
    // Nobody says anything any more: each call has its deadline, or the longest that a broker may set.
    for (const auto& broker : brokers_) session_.set_busy(broker.link, false);
    for (int i = 0; i < 4; ++i) {
      now_ += 25h;
      settle();
      while (take_message()) {
      }
    }
    settle();
    expect(session_.outstanding() == 0 && open_.empty(), "each call has ended");
  }

 private:
  using Act = void (Play::*)();

  struct Open {
    CallPtr call;
    std::uint64_t items = 0;
  };
  // What one has said and heard.
  struct Broker {
    LinkId link{};
    std::uint64_t nonce = 0;
    std::uint64_t epoch = 0;
    std::uint64_t last_sent = 0;
    std::uint64_t max_body = 0;
    std::uint64_t max_bundle = 0;
  };

  Broker& some_broker() { return brokers_[script_.below(brokers_.size())]; }

  void settle() {
    session_.tick(now_);
    const auto next = session_.next_deadline();
    expect(!next || *next > now_, "what is due has been done");
    for (const auto& completion : session_.take_completions()) {
      const auto at = open_.find(completion.call.get());
      expect(at != open_.end(), "a call ends once");
      if (completion.is_item) {
        expect(completion.call->items > at->second.items, "an item is counted");
        at->second.items += 1;
        continue;
      }
      expect(at->second.items == completion.call->items, "all items come before the end");
      if (completion.outcome.status != Status::ok) {
        proto::Cursor cursor(completion.outcome.value.bytes());
        expect(cursor.at_map(), "an error is a map");
      }
      open_.erase(at);
    }
    expect(session_.outstanding() == open_.size(), "what is outstanding is what has not ended");
    expect(session_.waiting() <= session_.outstanding(), "what waits is outstanding");
  }

  void connected() { session_.connected(some_broker().link, now_); }
  void disconnected() { session_.disconnected(some_broker().link, now_); }
  void handshake() { session_.handshake_failed(some_broker().link); }
  void busy() { session_.set_busy(some_broker().link, script_.flag()); }
  // The broker is not one any more, and another one is.
  void replace() {
    Broker& broker = some_broker();
    if (session_.links().size() >= 8) return;
    session_.retire(broker.link);
    if (session_.is_over(broker.link)) session_.remove_link(broker.link);
    broker = {};
    broker.link = session_.add_link(kEndpoint);
  }
  void cancel_all() { session_.cancel_all(); }

  void submit() {
    auto call = std::make_shared<Call>();
    const auto how = script_.byte();
    call->method = kMethods[how & 3u];
    call->flags = script_.byte() & 15u;
    call->own_timeout = (how & 4) == 0;
    call->deadline = now_ + (call->own_timeout ? kTimes[how >> 5] : client::limits::kBrokerWait);
    call->tail = std::string("\x90\xc0\xc0", 3);
    if ((how & 8) != 0) call->tail = std::string("\x91\xc5\x04\x00", 4) + std::string(1024, 'x') + "\xc0\xc0";
    if ((how & 16) != 0) {
      call->attachments.assign(script_.below(67), Buffer(std::string("attached")));
      call->tail.pop_back();
      call->tail +=
          "\x81\xab"
          "attachments";
      proto::append_uint(call->tail, call->attachments.size());
    }
    const auto again = script_.byte();
    if ((again & 1) != 0) call->retry = {static_cast<std::uint8_t>(again >> 5), kTimes[again >> 2 & 3u], 1s};
    if ((again & 2) != 0 && (call->flags & proto::kIdempotent) != 0 && (call->flags & proto::kStream) == 0)
      call->hedge_after = kTimes[1 + (again >> 3 & 3u)];
    open_[call.get()] = {call};
    calls_.push_back(call);
    session_.submit(call, now_);
  }

  // One of the last calls, ended ones too; null when there is none.
  CallPtr some_call() {
    const std::size_t back = script_.below(8);
    return back < calls_.size() ? calls_[calls_.size() - 1 - back] : nullptr;
  }

  bool take_message() {
    Message message;
    if (!session_.next_message(now_, message)) return false;
    Broker* const known = broker_of(message.link);
    if (!known) return true;  // one that is being retired
    Broker& broker = *known;
    const auto attachments = message.attachments.size();
    const auto state = session_.link(broker.link).state;
    proto::Head head;
    expect_none(proto::decode_head(message.frame, head));
    if (head.kind == static_cast<std::uint64_t>(Kind::hello)) {
      proto::PeerHello hello;
      expect_none(proto::decode(message.frame, hello));
      expect(state == LinkState::greeting && head.epoch == 0, "HELLO greets");
      broker.nonce = hello.nonce;
      return true;
    }
    expect(state == LinkState::ready && head.epoch == broker.epoch, "only who is ready sends");
    const auto most = std::clamp<std::uint64_t>(broker.max_bundle, 1, samovar::limits::kMaxBundle);
    if (head.kind == static_cast<std::uint64_t>(Kind::request)) {
      std::uint64_t sent_us = 0;
      std::vector<proto::RequestItem> items;
      expect_none(proto::decode_requests(message.frame, attachments, sent_us, items));
      std::size_t bytes = message.frame.size();
      for (const auto& attachment : message.attachments) bytes += attachment.size();
      expect(bytes <= broker.max_body, "a message keeps to its limit");
      if (items[0].id == static_cast<std::uint64_t>(kOwn)) {  // a ping
        expect(items.size() == 1 && message.calls == 0, "what the session asks goes alone");
        return true;
      }
      expect(items.size() == message.calls && items.size() <= most, "a bundle keeps to its limit");
      broker.last_sent = items.back().id;
    } else if (head.kind == static_cast<std::uint64_t>(Kind::drained)) {
      proto::Notice notice;
      expect_none(proto::decode(message.frame, notice));
      expect(session_.link(broker.link).draining, "DRAINED answers DRAIN");
    } else if (head.kind == static_cast<std::uint64_t>(Kind::cancel)) {
      std::vector<std::uint64_t> ids;
      expect_none(proto::decode_ids(message.frame, ids));
      expect(!ids.empty() && ids.size() <= most, "as many ids as a message may have");
    } else {
      std::vector<proto::Window> windows;
      expect_none(proto::decode_windows(message.frame, windows));
      expect(windows.size() <= most, "as many windows as a message may have");
    }
    return true;
  }

  Broker* broker_of(LinkId link) {
    const auto found = std::find_if(brokers_.begin(), brokers_.end(),
                                    [link](const Broker& broker) { return broker.link == link; });
    return found == brokers_.end() ? nullptr : &*found;
  }

  void send() { take_message(); }
  void not_sent() {
    if (take_message()) session_.not_sent();
  }

  void give(Broker& broker, std::string frame, std::size_t attachments = 0) {
    const std::vector<Buffer> some(attachments, Buffer(std::string("attached")));
    const auto& link = session_.link(broker.link);
    const bool was_ready = link.state == LinkState::ready;
    proto::BrokerHello said;
    proto::Head head;
    const bool is_hello = !proto::decode_head(frame, head) && !proto::decode(frame, said);
    session_.message(broker.link, Buffer(std::move(frame)), some, now_);
    if (was_ready || link.state != LinkState::ready) return;
    expect(is_hello && said.nonce == broker.nonce, "a HELLO is answered by its own nonce");
    broker.epoch = head.epoch;
    broker.max_body = said.max_body;
    broker.max_bundle = said.max_bundle;
  }

  void hello() { welcome(some_broker(), script_.byte()); }
  void welcome(Broker& broker, unsigned how) {
    proto::BrokerHello hello;
    hello.nonce = broker.nonce + (how >> 7);
    hello.max_body = kBodies[how & 3u];
    hello.max_bundle = kBundles[how >> 2 & 3u];
    hello.max_timeout_us = (how & 16) != 0 ? samovar::limits::kMaxPrefixInteger : 60'000'000;
    give(broker, proto::encode(++serial_, hello));
  }
  // All that it takes to be ready.
  void welcome() {
    Broker& broker = some_broker();
    session_.connected(broker.link, now_);
    take_message();
    welcome(broker, script_.byte());
  }

  void reply() {
    Broker& broker = some_broker();
    const auto call = some_call();
    const auto how = script_.byte();
    proto::BundleWriter writer(Kind::reply, broker.epoch);
    auto id = call ? static_cast<std::uint64_t>(call->id) : how;
    if (script_.flag() && broker.last_sent != 0) id = broker.last_sent;  // maybe a second attempt
    std::string tail = how % 3 == 0 ? "\xa1y" : proto::encode_error({});
    const std::size_t attachments = how >> 6;
    tail +=
        "\x81\xab"
        "attachments";
    proto::append_uint(tail, attachments);
    constexpr std::array kStatuses{Status::ok, Status::worker_lost, Status::unavailable};
    const auto status = kStatuses[how % 3];
    for (unsigned i = 0; i <= (how >> 3 & 1u); ++i) {
      writer.add_reply(id + (how >> 4 & 1u), static_cast<std::uint8_t>(1 + (how >> 5 & 1u)), status, 1,
                       i == 0 ? tail : std::string("\x80\xc0"));
    }
    give(broker, std::move(writer).finish(), attachments);
  }

  void items() {
    Broker& broker = some_broker();
    const auto call = some_call();
    const auto how = script_.byte();
    if (!call) return;
    proto::BundleWriter writer(Kind::items, broker.epoch);
    for (unsigned i = 0; i <= (how & 3u); ++i) {
      writer.add_item(static_cast<std::uint64_t>(call->id), static_cast<std::uint8_t>(1 + (how >> 2 & 1u)),
                      call->items + i + (how >> 7), "\xa1i\xc0");
    }
    give(broker, std::move(writer).finish());
  }

  void cancel() {
    if (const auto call = some_call()) session_.cancel(call->id);
  }
  void widen() {
    const auto call = some_call();
    if (call) session_.widen(call->id, script_.byte());
  }

  void notice() {
    Broker& broker = some_broker();
    const auto again = script_.flag();
    give(broker, proto::encode(again ? Kind::register_again : Kind::drain, again ? 0 : broker.epoch,
                               proto::Notice{}));
  }
  void refuse() {
    Broker& broker = some_broker();
    give(broker, proto::encode(broker.epoch, proto::ProtocolError{"no", {}, {}}));
  }

  void time() { now_ += kTimes[script_.below(kTimes.size())]; }
  void next_deadline() {
    if (const auto next = session_.next_deadline()) now_ = std::max(now_, *next);
  }

  // A frame as it stands there, under the session's epoch or its own.
  void raw() {
    Broker& broker = some_broker();
    const auto how = script_.byte();
    const auto bytes = script_.long_bytes();
    give(broker, (how & 1) != 0 ? with_epoch(bytes, broker.epoch) : std::string(bytes), how >> 5);
  }

  Script script_;
  Session session_{config()};
  TimePoint now_{1'000s};
  std::vector<Broker> brokers_;
  std::uint64_t serial_ = 0;
  std::map<const Call*, Open> open_;
  std::vector<CallPtr> calls_;
};

}  // namespace
}  // namespace samovar::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  samovar::fuzz::Play(samovar::fuzz::Script(data, size)).run();
  return 0;
}
