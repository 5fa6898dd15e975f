// Every decoder of the contract. Input: the number of attachments, then a frame.
// What is accepted lies inside the frame, is msgpack for msgpack's own decoder too, and comes back from the encoder.
#include <msgpack.hpp>
#include <string>
#include <vector>

#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"
#include "tests/fuzz/target.hpp"

namespace samovar::fuzz {
namespace {

using namespace samovar::proto;

void expect_inside(std::string_view frame, std::string_view part) {
  expect(part.data() >= frame.data() && part.data() + part.size() <= frame.data() + frame.size(),
         "a view lies in its frame");
}

// `count` values, and nothing behind them.
void expect_values(std::string_view frame, std::string_view bytes, int count) {
  expect_inside(frame, bytes);
  Cursor cursor(bytes);
  for (std::string_view value; count > 0; --count) expect(cursor.skip(limits::kMaxDepth, value), "a value");
  expect(cursor.at_end(), "nothing behind the values");
}

void read_values(std::string_view frame) {
  std::string_view value;
  if (Cursor whole(frame); whole.skip(limits::kMaxDepth, value)) {
    std::size_t end = 0;
    const auto handle = msgpack::unpack(frame.data(), frame.size(), end);
    expect(end == value.size(), "msgpack ends where the cursor says");
  }
  for (const int depth : {0, 1, 2, limits::kMaxDepth - 1, limits::kMaxDepth + 9}) {
    Cursor cursor(frame);
    while (cursor.skip(depth, value)) {
      expect_inside(frame, value);
      expect(!value.empty() && cursor.position() == value.data() + value.size(),
             "a value ends where its cursor stands");
    }
  }
  Cursor cursor(frame);
  std::uint64_t number = 0;
  std::uint32_t size = 0;
  std::string_view text;
  while (cursor.read_uint(number) || cursor.read_str(text) || cursor.read_nil() || cursor.read_array(size) ||
         cursor.read_map(size)) {
    expect_inside(frame, text.empty() ? frame : text);
  }
}

void read_requests(std::string_view frame, std::size_t attachments) {
  std::uint64_t sent_us = 0;
  std::vector<RequestItem> items;
  if (decode_requests(frame, attachments, sent_us, items)) return;
  expect(!items.empty() && items.size() <= limits::kMaxBundle, "a bundle has 1 to 1,024 items");
  BundleWriter writer(Kind::request, 7, sent_us);
  std::size_t claimed = 0;
  for (const auto& item : items) {
    expect(item.attempt >= 1, "an attempt is at least 1");
    expect_values(frame, item.body, 2);
    expect_values(frame, item.ext, 1);
    expect_values(frame, item.tail(), 3);
    MethodName parts;
    if (!item.method.empty()) expect_inside(frame, item.method);
    if (split_method(item.method, parts)) {
      expect(is_name(parts.service) && is_name(parts.method), "the parts of a name are names");
    }
    claimed += item.attachments;
    writer.add_request(item.id, item.attempt, item.flags, item.timeout_us, item.method, item.tail());
  }
  expect(claimed == attachments, "each attachment belongs to an item");
  const std::string again = std::move(writer).finish();
  std::vector<RequestItem> same;
  expect_none(decode_requests(again, attachments, sent_us, same));
  expect(same.size() == items.size(), "a bundle comes back whole");
  for (std::size_t i = 0; i < items.size(); ++i) {
    expect(same[i].id == items[i].id && same[i].attempt == items[i].attempt &&
               same[i].flags == items[i].flags && same[i].timeout_us == items[i].timeout_us &&
               same[i].method == items[i].method && same[i].tail() == items[i].tail() &&
               same[i].priority == items[i].priority && same[i].window == items[i].window,
           "a request comes back as it went");
  }
}

void read_replies(std::string_view frame, std::size_t attachments) {
  std::vector<ReplyItem> items;
  if (decode_replies(frame, attachments, items)) return;
  BundleWriter writer(Kind::reply, 7);
  for (const auto& item : items) {
    expect_values(frame, item.value, 1);
    expect_values(frame, item.tail(), 2);
    writer.add_reply(item.id, item.attempt, item.status, item.run_us, item.tail());
    ErrorValue error;
    if (item.status == Status::ok || decode_error(item.value, error)) continue;
    const auto once = encode_error(error);
    expect_none(decode_error(once, error));
    expect(encode_error(error) == once, "an error comes back as it went");
  }
  const std::string again = std::move(writer).finish();
  std::vector<ReplyItem> same;
  expect_none(decode_replies(again, attachments, same));
  for (std::size_t i = 0; i < items.size(); ++i) {
    expect(same[i].id == items[i].id && same[i].status == items[i].status &&
               same[i].run_us == items[i].run_us && same[i].tail() == items[i].tail(),
           "a reply comes back as it went");
  }
}

void read_items(std::string_view frame, std::size_t attachments) {
  std::vector<StreamItem> items;
  if (decode_items(frame, attachments, items)) return;
  BundleWriter writer(Kind::items, 7);
  for (const auto& item : items) {
    expect_values(frame, item.tail(), 2);
    writer.add_item(item.id, item.attempt, item.seq, item.tail());
  }
  const std::string again = std::move(writer).finish();
  std::vector<StreamItem> same;
  expect_none(decode_items(again, attachments, same));
  for (std::size_t i = 0; i < items.size(); ++i) {
    expect(same[i].id == items[i].id && same[i].seq == items[i].seq && same[i].tail() == items[i].tail(),
           "an item comes back as it went");
  }
}

void read_numbers(std::string_view frame) {
  std::vector<std::uint64_t> ids;
  std::vector<std::uint64_t> same_ids;
  if (!decode_ids(frame, ids)) {
    expect_none(decode_ids(encode_ids(Kind::cancel, 7, ids), same_ids));
    expect(same_ids == ids, "ids come back as they went");
  }
  std::vector<Window> windows;
  std::vector<Window> same;
  if (decode_windows(frame, windows)) return;
  expect_none(decode_windows(encode_windows(7, windows), same));
  expect(same.size() == windows.size(), "windows come back as they went");
}

// Encoding twice gives the same, once what is too long has been clipped.
template <typename T, typename... Kinds>
void read_control(std::string_view frame, Kinds... kind) {
  T value;
  if (decode(frame, value)) return;
  const auto once = encode(kind..., 7, value);
  T again;
  expect_none(decode(once, again));
  expect(encode(kind..., 7, again) == once, "a control message comes back as it went");
}

}  // namespace
}  // namespace samovar::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samovar::fuzz;
  Script script(data, size);
  const std::size_t attachments = script.byte();
  const std::string_view frame = script.rest();
  read_values(frame);
  Head head;
  decode_head(frame, head);
  read_requests(frame, attachments);
  read_replies(frame, attachments);
  read_items(frame, attachments);
  read_numbers(frame);
  read_control<PeerHello>(frame);
  read_control<BrokerHello>(frame);
  read_control<Ready>(frame);
  read_control<Pool>(frame);
  read_control<Obituary>(frame);
  read_control<Command>(frame);
  read_control<CommandDone>(frame);
  read_control<ProtocolError>(frame);
  read_control<Notice>(frame, Kind::drain);
  return 0;
}
