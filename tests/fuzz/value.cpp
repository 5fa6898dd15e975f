// What the client makes of a result that has been taken in. Input: the number of attachments, then msgpack or a REPLY.
// A type that does not fit is an Error, whatever the bytes are; JSON is UTF-8; and an array lies inside its attachment.
#include <chrono>
#include <map>
#include <samovar/array.hpp>
#include <samovar/result.hpp>
#include <samovar/value.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "proto/codec.hpp"
#include "tests/fuzz/target.hpp"

namespace samovar::fuzz {
namespace {

constexpr std::string_view kAttachment = "0123456789abcdef";

template <typename T>
void read(const Value& value) {
  try {
    static_cast<void>(value.as<T>());
  } catch (const Error& error) {
    expect(error.code() == Status::bad_request, "a misfit is a bad request");
  }
}

void walk(const Value& value, const std::vector<Buffer>& attachments, int& left) {
  if (--left < 0) return;
  read<bool>(value);
  read<std::int8_t>(value);
  read<std::uint64_t>(value);
  read<double>(value);
  read<std::string>(value);
  read<Buffer>(value);
  read<std::chrono::system_clock::time_point>(value);
  read<std::vector<int>>(value);
  read<std::map<std::string, std::vector<Value>>>(value);
  try {
    const auto array = Array<double>::from(value, attachments);
    expect(array.size() * sizeof(double) <= kAttachment.size(), "an array lies in its attachment");
  } catch (const Error&) {
  }
  try {
    static_cast<void>(Array<std::uint8_t>::from(value, attachments));
  } catch (const Error&) {
  }
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) walk(value[i], attachments, left);
  }
  if (value.is_map()) {
    for (const auto& [key, inside] : value.entries()) walk(inside, attachments, left);
  }
}

void read_value(std::string_view bytes, const std::vector<Buffer>& attachments) {
  try {
    const auto value = Value::parse(Buffer(std::string(bytes)));
    static_cast<void>(value.to_json());
    static_cast<void>(value.type_word());
    int left = 50;
    walk(value, attachments, left);
  } catch (const std::invalid_argument&) {
  }
}

void read_reply(std::string_view frame, const std::vector<Buffer>& attachments) {
  std::vector<proto::ReplyItem> items;
  std::size_t claimed = 0;
  if (proto::decode_replies(frame, attachments.size(), items)) return;
  for (const auto& item : items) {
    detail::Reply reply;
    reply.outcome.status = item.status;
    reply.outcome.value = Buffer(std::string(item.value));
    reply.outcome.ext = Buffer(std::string(item.ext));
    const auto first = attachments.begin() + static_cast<std::ptrdiff_t>(claimed);
    reply.outcome.attachments.assign(first, first + item.attachments);
    claimed += item.attachments;
    static_cast<void>(detail::read_metadata(reply.outcome));
    if (item.status == Status::ok) {
      read_value(item.value, reply.outcome.attachments);
    } else {
      static_cast<void>(detail::make_error(reply));
    }
  }
}

}  // namespace
}  // namespace samovar::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samovar::fuzz;
  Script script(data, size);
  const std::vector<samovar::Buffer> attachments(script.below(8), samovar::Buffer(std::string(kAttachment)));
  const auto bytes = script.rest();
  read_value(bytes, attachments);
  read_reply(bytes, attachments);
  return 0;
}
