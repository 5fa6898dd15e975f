// What tests of the broker say and hear: whole messages, made and taken apart with the real codec.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/outbox.hpp"
#include "broker/core/types.hpp"
#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "proto/cursor.hpp"

namespace samovar::test {

// A frame that owns its bytes.
class OwnedFrame final : public broker::Frame {
 public:
  explicit OwnedFrame(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view bytes() const override { return bytes_; }

 private:
  std::string bytes_;
};

inline broker::FramePtr frame(std::string bytes) {
  return std::make_shared<OwnedFrame>(std::move(bytes));
}

inline std::string str(std::string_view text) {
  std::string out;
  proto::append_str(out, text);
  return out;
}

// A map of integers, as ext is; nil when there is none.
inline std::string ext(const std::map<std::string, std::uint64_t>& entries,
                       const std::string& affinity = {}) {
  if (entries.empty() && affinity.empty()) return std::string(proto::kNil);
  std::string out;
  proto::append_map(out, static_cast<std::uint32_t>(entries.size() + (affinity.empty() ? 0 : 1)));
  if (!affinity.empty()) {
    proto::append_str(out, "affinity");
    proto::append_str(out, affinity);
  }
  for (const auto& [key, number] : entries) {
    proto::append_str(out, key);
    proto::append_uint(out, number);
  }
  return out;
}

// args = [text], kwargs = nil.
inline std::string body(std::string_view text) {
  std::string out;
  proto::append_array(out, 1);
  proto::append_str(out, text);
  out += proto::kNil;
  return out;
}

// The text of such a body; empty when it is another one.
inline std::string text_of_body(std::string_view bytes) {
  proto::Cursor cursor(bytes);
  std::uint32_t size = 0;
  std::string_view text;
  return cursor.read_array(size) && size == 1 && cursor.read_str(text) ? std::string(text) : std::string();
}

inline std::string text_of_value(std::string_view bytes) {
  proto::Cursor cursor(bytes);
  std::string_view text;
  return cursor.read_str(text) ? std::string(text) : std::string();
}

// ext's integers and strings.
inline std::map<std::string, std::string> read_ext(std::string_view bytes) {
  std::map<std::string, std::string> entries;
  proto::Cursor cursor(bytes);
  std::uint32_t size = 0;
  if (!cursor.read_map(size)) return entries;
  for (std::uint32_t i = 0; i < size; ++i) {
    std::string_view key;
    std::string_view text;
    std::uint64_t number = 0;
    if (!cursor.read_str(key)) break;
    if (cursor.read_uint(number)) {
      entries[std::string(key)] = std::to_string(number);
    } else if (cursor.read_str(text)) {
      entries[std::string(key)] = std::string(text);
    } else if (!cursor.skip(8, text)) {
      break;
    }
  }
  return entries;
}

struct RequestSpec {
  std::uint64_t id = 0;
  std::uint8_t attempt = 1;
  std::uint32_t flags = 0;
  std::uint64_t timeout_us = 0;
  std::string method;
  std::string tail;  // args, kwargs and ext
};

inline std::string encode_requests(std::uint64_t epoch, std::uint64_t sent_us,
                                   const std::vector<RequestSpec>& items) {
  proto::BundleWriter writer(proto::Kind::request, epoch, sent_us);
  for (const auto& item : items) {
    writer.add_request(item.id, item.attempt, item.flags, item.timeout_us, item.method, item.tail);
  }
  return std::move(writer).finish();
}

struct ItemSpec {
  std::uint64_t id = 0;
  std::uint8_t attempt = 1;
  std::uint64_t seq = 0;
  std::string tail;  // value and ext
};

inline std::string encode_items(std::uint64_t epoch, const std::vector<ItemSpec>& items) {
  proto::BundleWriter writer(proto::Kind::items, epoch);
  for (const auto& item : items) writer.add_item(item.id, item.attempt, item.seq, item.tail);
  return std::move(writer).finish();
}

struct ReplySpec {
  std::uint64_t id = 0;
  std::uint8_t attempt = 1;
  Status status = Status::ok;
  std::uint64_t run_us = 0;
  std::string tail;  // value and ext
};

inline std::string encode_replies(std::uint64_t epoch, const std::vector<ReplySpec>& items) {
  proto::BundleWriter writer(proto::Kind::reply, epoch);
  for (const auto& item : items) writer.add_reply(item.id, item.attempt, item.status, item.run_us, item.tail);
  return std::move(writer).finish();
}

// A message of the broker, taken apart. Views borrow the message.
struct Heard {
  proto::Kind kind{};
  std::uint64_t epoch = 0;
  std::uint64_t sent_us = 0;
  std::vector<proto::RequestItem> requests;
  std::vector<proto::ReplyItem> replies;
  std::vector<proto::StreamItem> items;
  std::vector<proto::Window> windows;
  std::vector<std::uint64_t> cancelled;
  proto::BrokerHello hello;
  proto::ProtocolError error;
  proto::Notice notice;
  proto::Command command;
  const char* malformed = nullptr;
};

inline Heard hear(const broker::Message& message) {
  Heard heard;
  proto::Head head;
  heard.malformed = proto::decode_head(message.frame, head);
  if (heard.malformed) return heard;
  heard.kind = static_cast<proto::Kind>(head.kind);
  heard.epoch = head.epoch;
  switch (heard.kind) {
    case proto::Kind::request:
      heard.malformed =
          proto::decode_requests(message.frame, message.attachments.size(), heard.sent_us, heard.requests);
      break;
    case proto::Kind::reply:
      heard.malformed = proto::decode_replies(message.frame, message.attachments.size(), heard.replies);
      break;
    case proto::Kind::items:
      heard.malformed = proto::decode_items(message.frame, message.attachments.size(), heard.items);
      break;
    case proto::Kind::window: heard.malformed = proto::decode_windows(message.frame, heard.windows); break;
    case proto::Kind::cancel: heard.malformed = proto::decode_ids(message.frame, heard.cancelled); break;
    case proto::Kind::hello: heard.malformed = proto::decode(message.frame, heard.hello); break;
    case proto::Kind::protocol_error: heard.malformed = proto::decode(message.frame, heard.error); break;
    case proto::Kind::command: heard.malformed = proto::decode(message.frame, heard.command); break;
    case proto::Kind::register_again:
    case proto::Kind::drain:
    case proto::Kind::drained: heard.malformed = proto::decode(message.frame, heard.notice); break;
    default: heard.malformed = "the broker does not send this kind";
  }
  return heard;
}

}  // namespace samovar::test
