// Redis lists: requests are pushed to one list, answers are popped from another, many by one command. Two connections,
// since a pop waits.
#include <hiredis/hiredis.h>

#include "tests/bench/drive/transport.hpp"

namespace samovar::bench {

namespace {

struct Free {
  void operator()(redisContext* context) const { redisFree(context); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, Free>;
using Reply = std::unique_ptr<redisReply, Free>;

Context connect(const std::string& path) {
  Context context(redisConnectUnix(path.c_str()));
  if (!context || context->err != 0) throw std::runtime_error("cannot connect to Redis at " + path);
  return context;
}

class Redis final : public Transport {
 public:
  explicit Redis(const TransportOptions& options)
      : push_(connect(options.endpoint)), pop_(connect(options.endpoint)) {
    Payload payload(options.body);
    add(0, payload.next());
    push();
    if (receive(10) == nullptr) throw std::runtime_error("no answer within 10 s");
  }

  void run(Calls& calls, Payload& payload) override {
    for (std::size_t slot = 0; slot < calls.outstanding(); ++slot) {
      calls.begin(slot);
      add(slot, payload.next());
    }
    push();
    while (!calls.over()) {
      const Reply answers = receive(0);
      for (std::size_t i = 0; i < answers->element[1]->elements; ++i) {
        const redisReply& answer = *answers->element[1]->element[i];
        const std::string_view bytes(answer.str, answer.len);
        const std::size_t slot = get_id(bytes, calls.outstanding());
        payload.check(bytes.substr(kIdBytes));
        if (!calls.end(slot)) continue;
        calls.begin_again(slot);
        add(slot, payload.next());
      }
      push();
    }
  }

 private:
  void add(std::size_t slot, const std::string& body) {
    std::string value(kIdBytes, '\0');
    put_id(value.data(), slot);
    values_.push_back(value + body);
  }

  // All that was added, by one command.
  void push() {
    if (values_.empty()) return;
    std::vector<const char*> words = {"LPUSH", "requests"};
    std::vector<std::size_t> sizes = {5, 8};
    for (const auto& value : values_) {
      words.push_back(value.data());
      sizes.push_back(value.size());
    }
    const Reply done(static_cast<redisReply*>(
        redisCommandArgv(push_.get(), static_cast<int>(words.size()), words.data(), sizes.data())));
    if (!done || done->type == REDIS_REPLY_ERROR) throw std::runtime_error("LPUSH failed");
    values_.clear();
  }

  // [list, [answer...]], or null after so many seconds (0: waits for ever).
  Reply receive(int seconds) {
    Reply reply(
        static_cast<redisReply*>(redisCommand(pop_.get(), "BLMPOP %d 1 replies RIGHT COUNT 1024", seconds)));
    if (!reply || reply->type == REDIS_REPLY_ERROR) throw std::runtime_error("BLMPOP failed");
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) reply.reset();
    return reply;
  }

  Context push_;
  Context pop_;
  std::vector<std::string> values_;
};

}  // namespace

std::unique_ptr<Transport> make_redis(const TransportOptions& options) {
  return std::make_unique<Redis>(options);
}

}  // namespace samovar::bench
