// Messages to and from bytes: heads, bundles of requests and replies, lists of ids.
// The maps of control messages are in control.hpp. Nothing here throws; views borrow the frame.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/message.hpp"

namespace samovar::proto {

// Of one item in a message's array: PROTOCOL.md, section 4.
inline constexpr std::uint32_t kRequestElements = 8;
inline constexpr std::uint32_t kReplyElements = 6;
inline constexpr std::uint32_t kStreamElements = 5;
inline constexpr std::uint32_t kWindowElements = 2;

// Why a message was refused as a whole: a static text, or nullptr when it was accepted.
using Malformed = const char*;

// Reads the head of any message. A version other than kVersion is not an error here: the caller answers it.
Malformed decode_head(std::string_view frame, Head& head);

// Read a whole message of their kind. `attachments` is the number of frames that follow. On refusal the
// content of `items` is unspecified. `items` is cleared first; its capacity is reused.
Malformed decode_requests(std::string_view frame, std::size_t attachments, std::uint64_t& sent_us,
                          std::vector<RequestItem>& items);
Malformed decode_replies(std::string_view frame, std::size_t attachments, std::vector<ReplyItem>& items);
Malformed decode_items(std::string_view frame, std::size_t attachments, std::vector<StreamItem>& items);
Malformed decode_windows(std::string_view frame, std::vector<Window>& windows);
Malformed decode_ids(std::string_view frame, std::vector<std::uint64_t>& ids);

// What a request's ext, whose structure has been checked, says of the schema that its caller was built against.
std::uint64_t schema_of(std::string_view ext);

// The map of a control message, as msgpack bytes whose structure has been checked.
Malformed decode_control(std::string_view frame, std::string_view& map);

// Where a service's name ends and its method begins; empty when `name` is not "service.method" in the letters
// that PROTOCOL.md allows.
struct MethodName {
  std::string_view service;
  std::string_view method;
};
bool split_method(std::string_view name, MethodName& parts);
bool is_name(std::string_view text);

// Builds one REQUEST, REPLY or ITEMS message item by item.
class BundleWriter {
 public:
  // `sent_us` goes into a REQUEST only.
  BundleWriter(Kind kind, std::uint64_t epoch, std::uint64_t sent_us = 0);

  // `tail` is args, kwargs and ext, as in RequestItem::tail.
  void add_request(std::uint64_t id, std::uint8_t attempt, std::uint32_t flags, std::uint64_t timeout_us,
                   std::string_view method, std::string_view tail);
  // `tail` is value and ext.
  void add_reply(std::uint64_t id, std::uint8_t attempt, Status status, std::uint64_t run_us,
                 std::string_view tail);

  // `tail` is value and ext.
  void add_item(std::uint64_t id, std::uint8_t attempt, std::uint64_t seq, std::string_view tail);

  std::uint32_t items() const { return items_; }
  std::size_t bytes() const { return buffer_.size(); }
  // The finished frame. The writer is empty afterwards and not to be used again.
  std::string finish() &&;

 private:
  std::string buffer_;
  std::uint32_t head_elements_;
  std::uint32_t elements_per_item_;
  std::uint32_t items_ = 0;
};

std::string encode_ids(Kind kind, std::uint64_t epoch, const std::vector<std::uint64_t>& ids);
std::string encode_windows(std::uint64_t epoch, const std::vector<Window>& windows);
// A message without anything behind its head: PROBE.
std::string encode_bare(Kind kind, std::uint64_t epoch);

// Appends msgpack scalars to a buffer, in their shortest form.
void append_uint(std::string& out, std::uint64_t number);
void append_str(std::string& out, std::string_view text);
void append_map(std::string& out, std::uint32_t entries);
void append_array(std::string& out, std::uint32_t elements);

// The msgpack nil of an absent ext, kwargs or value.
inline constexpr std::string_view kNil{"\xc0", 1};

}  // namespace samovar::proto
