#include "proto/codec.hpp"

#include <algorithm>

#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::proto {
namespace {

constexpr int kBelowMessage = limits::kMaxDepth - 1;
constexpr Malformed kBadItem = "an item is cut off, nested too deeply, or not msgpack";

// An integer of the prefix.
bool read_prefix(Cursor& cursor, std::uint64_t& number) {
  return cursor.read_uint(number) && number <= limits::kMaxPrefixInteger;
}

bool read_prefix(std::string_view value, std::uint64_t& number) {
  Cursor cursor(value);
  return read_prefix(cursor, number);
}

// Opens a message of one kind: leaves the cursor behind the epoch and tells how many elements follow.
Malformed open(Cursor& cursor, std::uint32_t& rest) {
  std::uint32_t size = 0;
  std::uint64_t ignored = 0;
  if (!cursor.read_array(size)) return "the message is not one msgpack array";
  if (size < 3) return "the message has fewer than three elements";
  for (int i = 0; i < 3; ++i) {
    if (!read_prefix(cursor, ignored)) return "version, kind or epoch is not an integer from 0 to 2^53 - 1";
  }
  rest = size - 3;
  return nullptr;
}

// The extensions that a broker acts on.
struct Extensions {
  std::uint32_t attachments = 0;
  Priority priority = Priority::normal;
  bool has_priority = false;
  bool bad_priority = false;  // of a request; a reply and an item have none
  std::uint32_t window = kDefaultWindow;
  std::uint64_t schema = 0;
  std::string_view traceparent;
  std::string_view affinity;
};

// Reads ext behind the cursor. `wrong` is set where it spoils its item alone. Attachments must add up, so a
// count that cannot be read spoils the whole message.
Malformed read_ext(Cursor& cursor, std::string_view& ext, Extensions& known, const char*& wrong) {
  if (!cursor.skip(kBelowMessage, ext)) return kBadItem;
  if (ext.size() > limits::kMaxExtBytes) wrong = "ext is larger than 16 KiB";
  Cursor inside(ext);
  std::uint32_t entries = 0;
  if (inside.read_nil()) return nullptr;
  if (!inside.read_map(entries)) {
    wrong = "ext is neither a map nor nil";
    return nullptr;
  }
  // Of equal keys the last one counts.
  std::string_view attachments = kNil;
  std::string_view priority = kNil;
  std::string_view window = kNil;
  std::string_view schema = kNil;
  std::string_view traceparent = kNil;
  std::string_view affinity = kNil;
  for (std::uint32_t i = 0; i < entries; ++i) {
    std::string_view key;
    std::string_view value;
    if (!inside.read_str(key)) {
      wrong = "a key of ext is not a string";
      if (!inside.skip(kBelowMessage, value)) return kBadItem;
    }
    if (!inside.skip(kBelowMessage, value)) return kBadItem;
    if (key == "attachments") attachments = value;
    if (key == "priority") priority = value;
    if (key == "window") window = value;
    if (key == "schema") schema = value;
    if (key == "traceparent") traceparent = value;
    if (key == "affinity") affinity = value;
  }
  std::uint64_t number = 0;
  if (!Cursor(attachments).at_nil()) {
    if (!Cursor(attachments).read_uint(number)) return "ext.attachments is not a non-negative integer";
    if (number > limits::kMaxAttachments) return "an item claims more than 64 attachments";
    known.attachments = static_cast<std::uint32_t>(number);
  }
  if (!Cursor(priority).at_nil()) {
    known.has_priority = Cursor(priority).read_uint(number) && number < kPriorities;
    if (known.has_priority) known.priority = static_cast<Priority>(number);
    known.bad_priority = !known.has_priority;
  }
  if (Cursor(window).read_uint(number) && number >= 1 && number <= kMaxWindow) {
    known.window = static_cast<std::uint32_t>(number);
  }
  if (read_prefix(schema, number)) known.schema = number;
  if (!Cursor(traceparent).read_str(known.traceparent)) known.traceparent = {};
  if (!Cursor(affinity).read_str(known.affinity) && !Cursor(affinity).read_bin(known.affinity)) {
    known.affinity = {};
  }
  return nullptr;
}

Malformed check_count(std::uint32_t rest, std::uint32_t per_item, std::uint32_t& items) {
  if (rest == 0 || rest % per_item != 0) return "the message does not hold a whole number of items";
  items = rest / per_item;
  if (items > limits::kMaxBundle) return "the message holds more than 1,024 items";
  return nullptr;
}

}  // namespace

Malformed decode_head(std::string_view frame, Head& head) {
  Cursor cursor(frame);
  std::uint32_t size = 0;
  if (!cursor.read_array(size) || size == 0) return "the message is not one msgpack array";
  if (!cursor.read_uint(head.version)) return "the version is not a non-negative integer";
  if (head.version != kVersion) return nullptr;
  if (size < 3 || !read_prefix(cursor, head.kind) || !read_prefix(cursor, head.epoch)) {
    return "version, kind or epoch is not an integer from 0 to 2^53 - 1";
  }
  return nullptr;
}

Malformed decode_requests(std::string_view frame, std::size_t attachments, std::uint64_t& sent_us,
                          std::vector<RequestItem>& items) {
  items.clear();
  Cursor cursor(frame);
  std::uint32_t rest = 0;
  std::uint32_t count = 0;
  if (auto why = open(cursor, rest)) return why;
  if (rest == 0 || !read_prefix(cursor, sent_us)) return "sent_us is not an integer from 0 to 2^53 - 1";
  if (auto why = check_count(rest - 1, kRequestElements, count)) return why;

  std::size_t claimed = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    RequestItem& item = items.emplace_back();
    std::uint64_t attempt = 0;
    std::uint64_t flags = 0;
    std::string_view args;
    std::string_view kwargs;
    Extensions known;
    if (!read_prefix(cursor, item.id) || !read_prefix(cursor, attempt) || !read_prefix(cursor, flags) ||
        !read_prefix(cursor, item.timeout_us)) {
      return "id, attempt, flags or timeout_us is not an integer from 0 to 2^53 - 1";
    }
    if (attempt < 1 || attempt > 255) return "an attempt is not between 1 and 255";
    if (!cursor.read_str(item.method)) {
      if (!cursor.skip(kBelowMessage, item.method)) return kBadItem;
      item.method = {};
      item.wrong = "the method is not a string";
    }
    const bool is_array = cursor.at_array();
    if (!cursor.skip(kBelowMessage, args)) return kBadItem;
    const bool is_map = cursor.at_map() || cursor.at_nil();
    if (!cursor.skip(kBelowMessage, kwargs)) return kBadItem;
    if (auto why = read_ext(cursor, item.ext, known, item.wrong)) return why;
    if (known.bad_priority) item.wrong = "ext.priority is not 0, 1 or 2";
    if (!is_array) item.wrong = "args is not an array";
    if (!is_map) item.wrong = "kwargs is neither a map nor nil";
    item.attempt = static_cast<std::uint8_t>(attempt);
    item.flags = static_cast<std::uint32_t>(flags);
    item.body = {args.data(), args.size() + kwargs.size()};
    item.attachments = known.attachments;
    item.priority = known.priority;
    item.has_priority = known.has_priority;
    item.window = known.window;
    item.schema = known.schema;
    item.traceparent = known.traceparent;
    item.affinity = known.affinity;
    claimed += item.attachments;
  }
  if (!cursor.at_end()) return "bytes follow the message's array";
  if (claimed != attachments) return "the items claim another number of attachments than the message has";
  return nullptr;
}

Malformed decode_replies(std::string_view frame, std::size_t attachments, std::vector<ReplyItem>& items) {
  items.clear();
  Cursor cursor(frame);
  std::uint32_t rest = 0;
  std::uint32_t count = 0;
  if (auto why = open(cursor, rest)) return why;
  if (auto why = check_count(rest, kReplyElements, count)) return why;

  std::size_t claimed = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    ReplyItem& item = items.emplace_back();
    std::uint64_t attempt = 0;
    std::uint64_t status = 0;
    Extensions known;
    const char* wrong = nullptr;
    if (!read_prefix(cursor, item.id) || !read_prefix(cursor, attempt) || !read_prefix(cursor, status) ||
        !read_prefix(cursor, item.run_us)) {
      return "id, attempt, status or run_us is not an integer from 0 to 2^53 - 1";
    }
    if (attempt < 1 || attempt > 255) return "an attempt is not between 1 and 255";
    const bool is_map = cursor.at_map();
    if (!cursor.skip(kBelowMessage, item.value)) return kBadItem;
    if (status != 0 && !is_map) return "the value of an error is not a map";
    if (auto why = read_ext(cursor, item.ext, known, wrong)) return why;
    if (wrong) return wrong;
    item.attempt = static_cast<std::uint8_t>(attempt);
    item.status = status_from_wire(status);
    item.attachments = known.attachments;
    claimed += item.attachments;
  }
  if (!cursor.at_end()) return "bytes follow the message's array";
  if (claimed != attachments) return "the items claim another number of attachments than the message has";
  return nullptr;
}

Malformed decode_items(std::string_view frame, std::size_t attachments, std::vector<StreamItem>& items) {
  items.clear();
  Cursor cursor(frame);
  std::uint32_t rest = 0;
  std::uint32_t count = 0;
  if (auto why = open(cursor, rest)) return why;
  if (auto why = check_count(rest, kStreamElements, count)) return why;

  std::size_t claimed = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    StreamItem& item = items.emplace_back();
    std::uint64_t attempt = 0;
    Extensions known;
    const char* wrong = nullptr;
    if (!read_prefix(cursor, item.id) || !read_prefix(cursor, attempt) || !read_prefix(cursor, item.seq)) {
      return "id, attempt or seq is not an integer from 0 to 2^53 - 1";
    }
    if (attempt < 1 || attempt > 255) return "an attempt is not between 1 and 255";
    if (!cursor.skip(kBelowMessage, item.value)) return kBadItem;
    if (auto why = read_ext(cursor, item.ext, known, wrong)) return why;
    if (wrong) return wrong;
    item.attempt = static_cast<std::uint8_t>(attempt);
    item.attachments = known.attachments;
    claimed += item.attachments;
  }
  if (!cursor.at_end()) return "bytes follow the message's array";
  if (claimed != attachments) return "the items claim another number of attachments than the message has";
  return nullptr;
}

std::uint64_t schema_of(std::string_view ext) {
  Cursor cursor(ext);
  std::string_view same;
  Extensions known;
  const char* wrong = nullptr;
  return read_ext(cursor, same, known, wrong) ? 0 : known.schema;
}

Malformed decode_windows(std::string_view frame, std::vector<Window>& windows) {
  windows.clear();
  Cursor cursor(frame);
  std::uint32_t rest = 0;
  std::uint32_t count = 0;
  if (auto why = open(cursor, rest)) return why;
  if (auto why = check_count(rest, kWindowElements, count)) return why;
  for (std::uint32_t i = 0; i < count; ++i) {
    Window& window = windows.emplace_back();
    if (!read_prefix(cursor, window.id) || !read_prefix(cursor, window.window)) {
      return "an id or a window is not an integer from 0 to 2^53 - 1";
    }
  }
  if (!cursor.at_end()) return "bytes follow the message's array";
  return nullptr;
}

Malformed decode_ids(std::string_view frame, std::vector<std::uint64_t>& ids) {
  ids.clear();
  Cursor cursor(frame);
  std::uint32_t rest = 0;
  if (auto why = open(cursor, rest)) return why;
  if (rest > limits::kMaxBundle) return "the message holds more than 1,024 ids";
  for (std::uint32_t i = 0; i < rest; ++i) {
    if (!read_prefix(cursor, ids.emplace_back())) return "an id is not an integer from 0 to 2^53 - 1";
  }
  if (!cursor.at_end()) return "bytes follow the message's array";
  return nullptr;
}

Malformed decode_control(std::string_view frame, std::string_view& map) {
  Cursor cursor(frame);
  std::uint32_t rest = 0;
  if (frame.size() > limits::kMaxControlBytes) return "a control message is larger than 256 KiB";
  if (auto why = open(cursor, rest)) return why;
  if (rest != 1 || !cursor.at_map()) return "a control message does not hold exactly one map";
  if (!cursor.skip(kBelowMessage, map))
    return "a control message is cut off, nested too deeply, or not msgpack";
  if (!cursor.at_end()) return "bytes follow the message's array";
  return nullptr;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= limits::kMaxNameBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-' || c == '.';
         });
}

bool split_method(std::string_view name, MethodName& parts) {
  if (!is_name(name)) return false;
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == name.size()) return false;
  parts = {name.substr(0, dot), name.substr(dot + 1)};
  return true;
}

}  // namespace samovar::proto
