// Samovar's public client: the blocking call when one is outstanding, else callbacks that make the next call.
// As over every other transport, the
// answer is not decoded, unless it is asked for.
#include <atomic>
#include <map>
#include <samovar/client.hpp>

#include "tests/bench/drive/transport.hpp"

namespace samovar::bench {

namespace {

constexpr std::string_view kNoArguments{"\x90", 1};

struct Answer {
  std::string ip;
  std::string country;
  std::string name;
  std::string city;
  double latitude = 0;
  double longitude = 0;
  MSGPACK_DEFINE_MAP(ip, country, name, city, latitude, longitude)
};

std::string as_argument(const std::string& body) {
  std::string out("\x91\xc6", 2);  // an array of 1, bin with 4 bytes of length
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(body.size() >> shift);
  return out + body;
}

class Samovar final : public Transport {
 public:
  explicit Samovar(const TransportOptions& options)
      : client_(options.endpoint), attachment_(options.attachment), decode_(options.decode) {
    Payload payload(options.body);
    if (payload.is_look_up()) {
      const auto found = client_.call<std::map<std::string, samovar::Value>>(
          "bench.lookup", samovar::packed(kNoArguments, payload.next()));
      if (found.count("ip") == 0) throw std::runtime_error("the answer names no address");
    } else {
      argument_ = as_argument(payload.next());
      buffer_ = samovar::Buffer(payload.next());
      check(call(payload), options.body);
    }
  }

  void run(Calls& calls, Payload& payload) override {
    calls_ = &calls;
    payload_ = &payload;
    if (calls.outstanding() == 1) {
      calls.begin(0);
      for (;;) {
        wait_for_one(payload);
        if (!calls.end(0)) return;
        calls.begin_again(0);
      }
    }
    // All begin in a callback: everything happens on the client's thread.
    client_.async_call("samovar.ping", [this](Result) {
      for (std::size_t slot = 0; slot < calls_->outstanding(); ++slot) {
        calls_->begin(slot);
        start(slot);
      }
    });
    over_.wait(false);
  }

 private:
  using Result = samovar::Result<void>;

  Result call(Payload& payload) {
    if (payload.is_look_up())
      return client_.try_call<void>("bench.lookup", samovar::packed(kNoArguments, payload.next()));
    if (attachment_) return client_.try_call<void>("bench.echo_attached", samovar::attachment(buffer_));
    return client_.try_call<void>("bench.echo", samovar::packed(argument_));
  }

  void wait_for_one(Payload& payload) {
    if (decode_) {
      client_.call<Answer>("bench.lookup", samovar::packed(kNoArguments, payload.next()));
    } else {
      call(payload).value();
    }
  }

  void start(std::size_t slot) {
    const auto ended = [this, slot](Result result) { answered(slot, result); };
    if (decode_) {
      client_.async_call("bench.lookup", samovar::packed(kNoArguments, payload_->next()),
                         [this, slot](samovar::Result<Answer> result) { answered(slot, result); });
    } else if (payload_->is_look_up()) {
      client_.async_call("bench.lookup", samovar::packed(kNoArguments, payload_->next()), ended);
    } else if (attachment_) {
      client_.async_call("bench.echo_attached", samovar::attachment(buffer_), ended);
    } else {
      client_.async_call("bench.echo", samovar::packed(argument_), ended);
    }
  }

  // Runs on the client's thread. What it throws ends the program.
  void answered(std::size_t slot, const samovar::ResultBase& result) {
    if (!result) throw samovar::Error(result.error());
    if (calls_->end(slot)) {
      calls_->begin_again(slot);
      start(slot);
    } else if (calls_->over()) {
      over_ = true;
      over_.notify_one();
    }
  }

  void check(const Result& result, std::size_t size) const {
    if (!result) throw samovar::Error(result.error());
    if (attachment_ && (result.attachments().size() != 1 || result.attachments()[0].size() != size))
      throw std::runtime_error("the attachment did not come back");
  }

  samovar::Client client_;
  const bool attachment_;
  const bool decode_;
  std::string argument_;
  samovar::Buffer buffer_;
  Calls* calls_ = nullptr;
  Payload* payload_ = nullptr;
  std::atomic<bool> over_{false};
};

}  // namespace

std::unique_ptr<Transport> make_samovar(const TransportOptions& options) {
  return std::make_unique<Samovar>(options);
}

}  // namespace samovar::bench
