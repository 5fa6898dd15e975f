#include "tests/bench/core/feed.hpp"

#include <stdexcept>
#include <utility>

#include "tests/bench/drive/payload.hpp"
#include "tests/broker/messages.hpp"

namespace samovar::bench {

namespace {

using broker::Side;

broker::CoreConfig config() {
  broker::CoreConfig config;
  config.services = {"bench"};
  config.max_queued = 2'000'000;
  config.max_outstanding_per_client = 2'000'000;
  config.no_worker_grace = std::chrono::hours(1);
  return config;
}

constexpr std::uint64_t kHour_us = 3'600'000'000;
constexpr std::uint64_t kRun_us = 5;

// args and kwargs of about 20 bytes, and ext.
std::string request_tail(std::uint64_t id) {
  const std::string ip = address(id % kAddresses);
  return "\x90\x81\xa2ip" + test::str(ip) + "\xc0";
}

const std::string& reply_tail() {
  static const std::string tail = test::str(std::string(98, 'x')) + "\xc0";
  return tail;
}

}  // namespace

Feed::Feed(FeedSizes sizes) : sizes_(sizes), core_(config(), now_) {
  for (std::size_t i = 0; i < sizes.clients; ++i) client_epochs_.push_back(greet(Side::frontend, i, false));
  for (std::size_t i = 0; i < sizes.workers; ++i)
    worker_epochs_.push_back(greet(Side::backend, sizes.clients + i, true));
  if (sizes.queued != 0) fill(sizes.queued);
  for (std::size_t i = 0; i < sizes.workers; ++i) announce(i);
  if (sizes.workers == 0) return;
  // The core learns how long the method takes, and the workers get what they can hold.
  Meter none;
  for (std::size_t i = 0; i < 4 * sizes.workers + 1'000; ++i) step(none);
  if (sizes.queued != 0) fill(sizes.queued - core_.sizes().queued);
}

void Feed::fill(std::size_t requests) {
  Meter none;
  for (std::size_t i = 0; i < requests; ++i) request(1, none);
}

void Feed::step(Meter& meter) {
  request(sizes_.bundle, meter);
  for (std::size_t left = sizes_.bundle; left > 0;) left -= reply(left, meter);
}

std::uint64_t Feed::greet(Side side, std::size_t peer, bool is_worker) {
  proto::PeerHello hello;
  hello.role = is_worker ? proto::Role::worker : proto::Role::client;
  hello.nonce = peer + 1;
  hello.name = "bench";
  Meter none;
  for (const auto& message : exchange(side, peer, proto::encode(0, hello), none)) {
    const auto heard = test::hear(message);
    if (heard.kind == proto::Kind::hello) return heard.epoch;
  }
  throw std::runtime_error("the core said no hello");
}

void Feed::announce(std::size_t worker) {
  proto::Ready ready;
  ready.service = "bench";
  ready.methods["lookup"] = {true};
  ready.credit = limits::kMaxCredit;
  Meter none;
  const auto peer = sizes_.clients + worker;
  take(exchange(Side::backend, peer, proto::encode(worker_epochs_[worker], ready), none));
}

void Feed::request(std::size_t items, Meter& meter) {
  const std::size_t client = next_client_++ % sizes_.clients;
  std::vector<test::RequestSpec> specs;
  for (; items > 0; --items) {
    ++next_id_;
    specs.push_back({next_id_, 1, 0, kHour_us, "bench.lookup", request_tail(next_id_)});
  }
  take(exchange(Side::frontend, client, test::encode_requests(client_epochs_[client], 0, specs), meter));
}

// The worker that was given something first answers as much of it as it can in one message.
std::size_t Feed::reply(std::size_t items, Meter& meter) {
  if (at_workers_.empty()) throw std::runtime_error("no worker got the request");
  const std::size_t worker = at_workers_.front().worker;
  std::vector<test::ReplySpec> specs;
  while (specs.size() < items && !at_workers_.empty() && at_workers_.front().worker == worker) {
    const Dispatched& first = at_workers_.front();
    specs.push_back({first.id, first.attempt, Status::ok, kRun_us, reply_tail()});
    at_workers_.pop_front();
  }
  take(exchange(Side::backend, sizes_.clients + worker, test::encode_replies(worker_epochs_[worker], specs),
                meter));
  return specs.size();
}

std::vector<broker::Message> Feed::exchange(Side side, std::size_t peer, std::string frame, Meter& meter) {
  const auto owned = test::frame(std::move(frame));
  now_ += std::chrono::microseconds(1);
  meter.start();
  wire_.receive(side, broker::PeerId{peer + 1}, owned, {}, now_);
  core_.tick(now_);
  auto messages = core_.outbox().take_messages();
  meter.stop();
  core_.outbox().take_notes();
  return messages;
}

void Feed::take(const std::vector<broker::Message>& messages) {
  for (const auto& message : messages) {
    const auto heard = test::hear(message);
    if (heard.malformed) throw std::runtime_error(heard.malformed);
    for (const auto& item : heard.requests) {
      at_workers_.push_back({broker::raw(message.peer) - 1 - sizes_.clients, item.id, item.attempt});
    }
    for (const auto& item : heard.replies) {
      if (item.status != Status::ok) throw std::runtime_error("a request failed in the core");
      ++answered_;
    }
  }
}

}  // namespace samovar::bench
