// What the C++ codec makes of frames, for a comparison with another codec. Reads lines "ATTACHMENTS HEX", and answers
// each with a line of JSON: {"kind", "refused": why} or {"kind", "decoded"}; {} for a kind that workers do not read.
// Values are as in proto/vectors/README.md; texts of control messages are in hex, since they may be no UTF-8.
#include <iostream>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "tests/proto/vectors.hpp"

namespace samovar::proto {
namespace {

using nlohmann::json;

// Of the years 1 to 9999, and with the bytes that a timestamp has.
bool is_moment(const msgpack::object& object) {
  const auto* data = object.via.ext.data();
  const auto size = object.via.ext.size;
  if (size == 4 || size == 8) return true;
  if (size != 12) return false;
  std::uint64_t nanoseconds = 0;
  std::uint64_t seconds = 0;
  for (int i = 0; i < 4; ++i) nanoseconds = nanoseconds << 8 | static_cast<std::uint8_t>(data[i]);
  for (int i = 4; i < 12; ++i) seconds = seconds << 8 | static_cast<std::uint8_t>(data[i]);
  const auto whole = static_cast<std::int64_t>(seconds);
  constexpr std::int64_t kFirst = -62'135'596'800;
  constexpr std::int64_t kLast = 253'402'300'799;
  return whole <= kLast && whole + static_cast<std::int64_t>(nanoseconds / 1'000'000'000) >= kFirst &&
         whole + static_cast<std::int64_t>(nanoseconds / 1'000'000'000) <= kLast;
}

// What a worker cannot decode, though it is msgpack: PROTOCOL.md 4.1.
bool is_unreadable(const msgpack::object& object) {
  switch (object.type) {
    case msgpack::type::STR: return !is_utf8({object.via.str.ptr, object.via.str.size});
    case msgpack::type::EXT:
      return object.via.ext.type() < 0 && !(object.via.ext.type() == -1 && is_moment(object));
    case msgpack::type::ARRAY:
      for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
        if (is_unreadable(object.via.array.ptr[i])) return true;
      }
      return false;
    case msgpack::type::MAP:
      for (std::uint32_t i = 0; i < object.via.map.size; ++i) {
        const auto& [key, value] = object.via.map.ptr[i];
        if (key.type == msgpack::type::ARRAY || key.type == msgpack::type::MAP || is_unreadable(key) ||
            is_unreadable(value)) {
          return true;
        }
      }
      return false;
    default: return false;
  }
}

// Of the values that stand one after another.
bool is_unreadable(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    if (is_unreadable(*msgpack::unpack(bytes.data(), bytes.size(), at))) return true;
  }
  return false;
}

bool has_odd_keys(std::string_view kwargs) {
  const auto handle = msgpack::unpack(kwargs.data(), kwargs.size());
  if (handle->type != msgpack::type::MAP) return false;
  for (std::uint32_t i = 0; i < handle->via.map.size; ++i) {
    if (handle->via.map.ptr[i].key.type != msgpack::type::STR) return true;
  }
  return false;
}

json requests(std::string_view frame, std::size_t attachments, Malformed& why) {
  std::uint64_t sent_us = 0;
  std::vector<RequestItem> items;
  if ((why = decode_requests(frame, attachments, sent_us, items))) return {};
  json all = json::array();
  for (const auto& item : items) {
    std::size_t args = 0;
    msgpack::unpack(item.body.data(), item.body.size(), args);
    MethodName parts;
    json one = {{"id", item.id},
                {"attempt", item.attempt},
                {"flags", item.flags & 15u},
                {"timeout_us", item.timeout_us},
                {"attachments", item.attachments}};
    one["refused"] = item.wrong || !split_method(item.method, parts) || is_unreadable(item.tail()) ||
                     has_odd_keys(item.body.substr(args));
    if (!one["refused"]) {
      const auto body = all_to_json(item.tail());
      one.update(
          {{"method", std::string(item.method)}, {"args", body[0]}, {"kwargs", body[1]}, {"ext", body[2]}});
    }
    all.push_back(std::move(one));
  }
  return {{"sent_us", sent_us}, {"items", std::move(all)}};
}

json replies(std::string_view frame, std::size_t attachments, Malformed& why) {
  std::vector<ReplyItem> items;
  if ((why = decode_replies(frame, attachments, items))) return {};
  json all = json::array();
  for (const auto& item : items) {
    json one = {{"id", item.id},
                {"attempt", item.attempt},
                {"status", static_cast<int>(item.status)},
                {"run_us", item.run_us},
                {"attachments", item.attachments}};
    if (!is_unreadable(item.tail())) {
      const auto body = all_to_json(item.tail());
      one.update({{"value", body[0]}, {"ext", body[1]}});
    }
    all.push_back(std::move(one));
  }
  return {{"items", std::move(all)}};
}

json hello(std::string_view frame, std::uint64_t epoch, Malformed& why) {
  BrokerHello said;
  if ((why = decode(frame, said))) return {};
  if (epoch == 0) why = "a HELLO gives no epoch";
  return {{"nonce", said.nonce},
          {"clock", to_hex(said.clock)},
          {"broker", to_hex(said.broker)},
          {"max_body", said.max_body},
          {"heartbeat_ms", said.heartbeat_ms}};
}

json control(std::string_view frame, const Head& head, Malformed& why) {
  switch (static_cast<Kind>(head.kind)) {
    case Kind::hello: return hello(frame, head.epoch, why);
    case Kind::probe: return json::object();
    case Kind::cancel: {
      std::vector<std::uint64_t> ids;
      why = decode_ids(frame, ids);
      return ids;
    }
    case Kind::window: {
      std::vector<Window> windows;
      why = decode_windows(frame, windows);
      json pairs = json::array();
      for (const auto& window : windows) pairs.push_back({window.id, window.window});
      return pairs;
    }
    case Kind::command: {
      Command command;
      why = decode(frame, command);
      return {{"id", command.id}, {"command", to_hex(command.command)}};
    }
    case Kind::protocol_error: {
      ProtocolError error;
      why = decode(frame, error);
      return to_hex(error.message);
    }
    default: {
      Notice notice;
      why = decode(frame, notice);
      return to_hex(notice.reason);
    }
  }
}

json verdict(std::string_view frame, std::size_t attachments) {
  Head head;
  Malformed why = decode_head(frame, head);
  if (!why && head.version != kVersion) why = "the version is not spoken";
  if (why) return {{"refused", why}};
  json decoded;
  switch (static_cast<Kind>(head.kind)) {
    case Kind::request: decoded = requests(frame, attachments, why); break;
    case Kind::reply: decoded = replies(frame, attachments, why); break;
    case Kind::hello:
    case Kind::cancel:
    case Kind::window:
    case Kind::register_again:
    case Kind::drained:
    case Kind::protocol_error:
    case Kind::command:
    case Kind::probe:
      if (attachments != 0) why = "attachments follow a message that is neither REQUEST, REPLY nor ITEMS";
      if (!why) decoded = control(frame, head, why);
      break;
    default: return json::object();
  }
  json answer = {{"kind", head.kind}, {"epoch", head.epoch}};
  if (why) {
    answer["refused"] = why;
  } else {
    answer["decoded"] = std::move(decoded);
  }
  return answer;
}

}  // namespace
}  // namespace samovar::proto

int main() {
  std::size_t attachments = 0;
  for (std::string line; std::cin >> attachments && std::getline(std::cin, line);) {
    const std::string frame = samovar::proto::from_hex(
        line.substr(line.find_first_not_of(' ') == std::string::npos ? line.size() : 1));
    const samovar::proto::Exact exact(frame);
    std::cout << samovar::proto::verdict(exact.view(), attachments).dump() << std::endl;
  }
}
