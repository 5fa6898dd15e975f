#include "proto/codec.hpp"

#include "proto/limits.hpp"
#include "tests/proto/vectors.hpp"
#include "tests/support/catch.hpp"

namespace samovar::proto {
namespace {

// args [], kwargs nil, ext nil.
const std::string kNothing = "\x90\xc0\xc0";

std::string one_request(std::string_view tail, std::string_view method = "a.b") {
  BundleWriter writer(Kind::request, 5, 9);
  writer.add_request(1, 1, 0, 0, method, tail);
  return std::move(writer).finish();
}

Malformed read_one(const std::string& frame, RequestItem& item, std::size_t attachments = 0) {
  std::uint64_t sent_us = 0;
  std::vector<RequestItem> items;
  const Malformed why = decode_requests(frame, attachments, sent_us, items);
  if (!why) item = items.at(0);
  return why;
}

TEST_CASE("A method's name is split at its last dot") {
  MethodName parts;
  REQUIRE(split_method("ipgeo.country", parts));
  CHECK(parts.service == "ipgeo");
  CHECK(parts.method == "country");
  REQUIRE(split_method("org.example.ipgeo.country", parts));
  CHECK(parts.service == "org.example.ipgeo");
  CHECK(parts.method == "country");
  REQUIRE(split_method("A-Z_0.9", parts));
  CHECK(parts.service == "A-Z_0");
}

TEST_CASE("What is not service.method in the allowed letters is not split") {
  MethodName parts;
  const std::string longest = "s." + std::string(limits::kMaxNameBytes - 2, 'm');
  CHECK(split_method(longest, parts));
  for (const auto& name :
       {std::string{}, std::string{"a"}, std::string{"."}, std::string{".a"}, std::string{"a."},
        std::string{"a b.c"}, std::string{"a.b\n"}, std::string{"a.b\0", 4}, std::string{"gr\xc3\xb6.b"},
        std::string{"a/b.c"}, longest + "m"}) {
    INFO(name);
    CHECK_FALSE(split_method(name, parts));
  }
}

TEST_CASE("A name has ASCII letters, digits, underscores, hyphens and dots only") {
  for (int c = 0; c < 256; ++c) {
    const bool allowed = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                         c == '_' || c == '-' || c == '.';
    INFO("letter " << c);
    CHECK(is_name(std::string(1, static_cast<char>(c))) == allowed);
  }
  CHECK_FALSE(is_name(""));
  CHECK(is_name(std::string(limits::kMaxNameBytes, 'n')));
  CHECK_FALSE(is_name(std::string(limits::kMaxNameBytes + 1, 'n')));
}

TEST_CASE("A head is read as far as its version is spoken") {
  Head head;
  CHECK(decode_head(from_hex("93020b00"), head) == nullptr);
  CHECK(head.version == 2);
  CHECK(decode_head(from_hex("9102"), head) == nullptr);
  CHECK(decode_head(from_hex("9202c1"), head) == nullptr);
  CHECK(decode_head(from_hex("9101"), head) != nullptr);
  CHECK(decode_head(from_hex("930163cf001fffffffffffff"), head) == nullptr);
  CHECK(head.kind == 99);
  CHECK(head.epoch == limits::kMaxPrefixInteger);
  CHECK(decode_head(from_hex("930101cf0020000000000000"), head) != nullptr);
}

TEST_CASE("A bundle counts its items and bytes while it is written") {
  for (const Kind kind : {Kind::request, Kind::reply}) {
    BundleWriter writer(kind, limits::kMaxPrefixInteger, 7);
    CHECK(writer.items() == 0);
    const std::size_t head = writer.bytes();
    for (std::uint32_t i = 1; i <= 3; ++i) {
      if (kind == Kind::request) {
        writer.add_request(i, 1, 0, 0, "a.b", kNothing);
      } else {
        writer.add_reply(i, 1, Status::ok, 0, "\xc0\xc0");
      }
      CHECK(writer.items() == i);
      CHECK(writer.bytes() == head + i * (kind == Kind::request ? 11 : 6));
    }
    const std::size_t bytes = writer.bytes();
    CHECK(std::move(writer).finish().size() == bytes);
  }
}

TEST_CASE("A bundle of 1,024 items is read and one of 1,025 is refused") {
  for (const std::uint32_t count : {limits::kMaxBundle, limits::kMaxBundle + 1}) {
    BundleWriter requests(Kind::request, 5);
    BundleWriter replies(Kind::reply, 5);
    std::vector<std::uint64_t> ids;
    for (std::uint64_t id = 0; id < count; ++id) {
      requests.add_request(id, 255, 3, limits::kMaxPrefixInteger, "service.method", kNothing);
      replies.add_reply(id, 255, Status::ok, limits::kMaxPrefixInteger, "\xc0\xc0");
      ids.push_back(id);
    }
    std::uint64_t sent_us = 1;
    std::vector<RequestItem> request_items;
    std::vector<ReplyItem> reply_items;
    std::vector<std::uint64_t> ids_read;
    const bool fits = count == limits::kMaxBundle;
    CHECK((decode_requests(std::move(requests).finish(), 0, sent_us, request_items) == nullptr) == fits);
    CHECK((decode_replies(std::move(replies).finish(), 0, reply_items) == nullptr) == fits);
    CHECK((decode_ids(encode_ids(Kind::cancel, 5, ids), ids_read) == nullptr) == fits);
    if (!fits) continue;
    CHECK(sent_us == 0);
    CHECK(request_items.size() == count);
    CHECK(request_items.back().id == count - 1);
    CHECK(reply_items.size() == count);
    CHECK(ids_read == ids);
  }
}

TEST_CASE("An empty bundle is refused") {
  std::uint64_t sent_us = 0;
  std::vector<RequestItem> requests;
  std::vector<ReplyItem> replies;
  CHECK(decode_requests(BundleWriter(Kind::request, 5).finish(), 0, sent_us, requests) != nullptr);
  CHECK(decode_replies(BundleWriter(Kind::reply, 5).finish(), 0, replies) != nullptr);
}

TEST_CASE("A vector of items is cleared before it is filled") {
  std::uint64_t sent_us = 0;
  std::vector<RequestItem> items;
  const std::string frame = one_request(kNothing);
  REQUIRE(decode_requests(frame, 0, sent_us, items) == nullptr);
  REQUIRE(decode_requests(frame, 0, sent_us, items) == nullptr);
  CHECK(items.size() == 1);
  CHECK(sent_us == 9);
}

TEST_CASE("An ext of 16 KiB is read and a larger one is refused alone") {
  for (const std::size_t size : {limits::kMaxExtBytes, limits::kMaxExtBytes + 1}) {
    std::string ext = "\x81\xa1x\xc5";  // a map of one key, whose value is a bin with 16 bits of length
    const std::size_t length = size - ext.size() - 2;
    ext += static_cast<char>(length >> 8);
    ext += static_cast<char>(length & 0xff);
    ext.append(length, 'v');
    REQUIRE(ext.size() == size);
    RequestItem item;
    REQUIRE(read_one(one_request("\x90\xc0" + ext), item) == nullptr);
    CHECK((item.wrong == nullptr) == (size == limits::kMaxExtBytes));

    BundleWriter writer(Kind::reply, 5);
    writer.add_reply(1, 1, Status::ok, 0, "\xc0" + ext);
    std::vector<ReplyItem> items;
    CHECK((decode_replies(std::move(writer).finish(), 0, items) == nullptr) ==
          (size == limits::kMaxExtBytes));
  }
}

TEST_CASE("The last of two equal keys of ext counts") {
  RequestItem item;
  std::string twice = "\x82";
  append_str(twice, "priority");
  append_uint(twice, 0);
  append_str(twice, "priority");
  append_uint(twice, 2);
  REQUIRE(read_one(one_request("\x90\xc0" + twice), item) == nullptr);
  CHECK(item.priority == Priority::bulk);
}

TEST_CASE("A wrong item has a priority that is one") {
  RequestItem item;
  std::string ext = "\x81";
  append_str(ext, "priority");
  append_uint(ext, 258);
  REQUIRE(read_one(one_request("\x90\xc0" + ext), item) == nullptr);
  CHECK(item.wrong != nullptr);
  CHECK(item.priority == Priority::normal);
}

TEST_CASE("The tail of an item is a piece of the frame that it came in") {
  RequestItem item;
  std::string tail = "\x92\x01\xa1x\x80\x81";
  append_str(tail, "k");
  append_uint(tail, 1);
  const std::string frame = one_request(tail);
  REQUIRE(read_one(frame, item) == nullptr);
  CHECK(item.tail() == tail);
  CHECK(item.tail().data() + item.tail().size() == frame.data() + frame.size());
}

TEST_CASE("A control message of 256 KiB is read and a larger one is refused") {
  for (const std::size_t size : {limits::kMaxControlBytes, limits::kMaxControlBytes + 1}) {
    std::string frame = from_hex(
        "94010700"
        "81a178c6");
    const std::size_t length = size - frame.size() - 4;
    for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(length >> shift & 0xff);
    frame.append(length, 'v');
    REQUIRE(frame.size() == size);
    std::string_view map;
    CHECK((decode_control(frame, map) == nullptr) == (size == limits::kMaxControlBytes));
  }
}

TEST_CASE("Scalars are written in their shortest form") {
  const auto uint = [](std::uint64_t number) {
    std::string out;
    append_uint(out, number);
    return out;
  };
  CHECK(uint(0) == from_hex("00"));
  CHECK(uint(0x7f) == from_hex("7f"));
  CHECK(uint(0x80) == from_hex("cc80"));
  CHECK(uint(0xff) == from_hex("ccff"));
  CHECK(uint(0x100) == from_hex("cd0100"));
  CHECK(uint(0xffff) == from_hex("cdffff"));
  CHECK(uint(0x10000) == from_hex("ce00010000"));
  CHECK(uint(0xffff'ffff) == from_hex("ceffffffff"));
  CHECK(uint(0x1'0000'0000) == from_hex("cf0000000100000000"));
  CHECK(uint(~std::uint64_t{0}) == from_hex("cfffffffffffffffff"));
  for (const auto& [size, header] : {std::pair<std::size_t, const char*>{0, "a0"},
                                     {31, "bf"},
                                     {32, "d920"},
                                     {255, "d9ff"},
                                     {256, "da0100"},
                                     {65535, "daffff"},
                                     {65536, "db00010000"}}) {
    std::string out;
    append_str(out, std::string(size, 'x'));
    CHECK(out == from_hex(header) + std::string(size, 'x'));
  }
  for (const auto& [size, map, array] : {std::tuple<std::uint32_t, const char*, const char*>{0, "80", "90"},
                                         {15, "8f", "9f"},
                                         {16, "de0010", "dc0010"},
                                         {65535, "deffff", "dcffff"},
                                         {65536, "df00010000", "dd00010000"}}) {
    std::string out;
    append_map(out, size);
    append_array(out, size);
    CHECK(out == from_hex(map) + from_hex(array));
  }
}

TEST_CASE("A PROBE is its head alone") {
  Head head;
  const std::string frame = encode_bare(Kind::probe, 0);
  REQUIRE(decode_head(frame, head) == nullptr);
  CHECK(head.kind == static_cast<std::uint64_t>(Kind::probe));
  CHECK(head.epoch == 0);
}

}  // namespace
}  // namespace samovar::proto
