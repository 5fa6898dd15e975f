#include "proto/cursor.hpp"

#include <msgpack.hpp>
#include <random>

#include "proto/limits.hpp"
#include "tests/proto/vectors.hpp"
#include "tests/support/catch.hpp"

namespace samovar::proto {
namespace {

std::string operator""_hex(const char* text, std::size_t size) {
  return from_hex({text, size});
}

// A value for each first byte that msgpack has, with lengths of 0, 1 and the most that one byte of length can
// say.
std::vector<std::string> one_of_each() {
  std::vector<std::string> all;
  const auto repeated = [](int n, const char* what) {
    std::string out;
    for (int i = 0; i < n; ++i) out += what;
    return out;
  };
  for (int b = 0x00; b <= 0xff; ++b) {
    const std::string first(1, static_cast<char>(b));
    if (b <= 0x7f || b >= 0xe0 || b == 0xc0 || b == 0xc2 || b == 0xc3) all.push_back(first);
    if (b >= 0x80 && b <= 0x8f) all.push_back(first + repeated(b & 15, "\x01\x02"));
    if (b >= 0x90 && b <= 0x9f) all.push_back(first + repeated(b & 15, "\xc3"));
    if (b >= 0xa0 && b <= 0xbf) all.push_back(first + repeated(b & 31, "x"));
  }
  for (const int n : {0, 1, 255}) {
    const std::string length(1, static_cast<char>(n));
    const std::string wide = std::string(1, '\0') + length;
    const std::string widest = std::string(3, '\0') + length;
    for (const char* b : {"\xc4", "\xd9"}) all.push_back(b + length + repeated(n, "x"));
    for (const char* b : {"\xc5", "\xda"}) all.push_back(b + wide + repeated(n, "x"));
    for (const char* b : {"\xc6", "\xdb"}) all.push_back(b + widest + repeated(n, "x"));
    all.push_back("\xc7" + length + "\x05" + repeated(n, "x"));
    all.push_back("\xc8" + wide + "\x05" + repeated(n, "x"));
    all.push_back("\xc9" + widest + "\x05" + repeated(n, "x"));
    all.push_back("\xdc" + wide + repeated(n, "\xc0"));
    all.push_back("\xdd" + widest + repeated(n, "\xc0"));
    all.push_back("\xde" + wide + repeated(n, "\x01\xc0"));
    all.push_back("\xdf" + widest + repeated(n, "\x01\xc0"));
  }
  for (const char* hex :
       {"ca3fc00000", "cb3ff8000000000000", "ccff", "cdffff", "ceffffffff", "cfffffffffffffffff", "d080",
        "d18000", "d280000000", "d38000000000000000", "d405aa", "d505aabb", "d605aabbccdd",
        "d7ff0000000000000001", "d80500000000000000000000000000000000", "9193c0a16181a162c4010a"}) {
    all.push_back(from_hex(hex));
  }
  return all;
}

// How long msgpack-cxx takes the first value of `bytes` to be; 0 where it takes it for none.
std::size_t extent(std::string_view bytes) {
  try {
    std::size_t at = 0;
    const msgpack::unpack_limit limit(1'000, 1'000, 100'000, 100'000, 100'000, 1'000);
    static_cast<void>(msgpack::unpack(bytes.data(), bytes.size(), at, nullptr, nullptr, limit));
    return at;
  } catch (const msgpack::unpack_error&) {
    return 0;
  }
}

std::string nested(int levels) {
  return std::string(static_cast<std::size_t>(levels) - 1, '\x91') + '\x90';
}

TEST_CASE("A skip steps over each type of msgpack as far as msgpack-cxx does") {
  for (const auto& value : one_of_each()) {
    INFO("first byte " << static_cast<int>(static_cast<unsigned char>(value[0])) << ", " << value.size()
                       << " bytes");
    REQUIRE(extent(value) == value.size());
    const Exact bytes(value + "\xc1\xc1");
    Cursor cursor(bytes.view());
    std::string_view skipped;
    REQUIRE(cursor.skip(limits::kMaxDepth, skipped));
    CHECK(skipped == value);
    CHECK(cursor.position() == bytes.view().data() + value.size());
    CHECK_FALSE(cursor.at_end());
  }
}

TEST_CASE("Each read takes the types that it is for, and no other") {
  for (const auto& value : one_of_each()) {
    const auto b = static_cast<unsigned char>(value[0]);
    const msgpack::object_handle object = msgpack::unpack(value.data(), value.size());
    INFO("first byte " << static_cast<int>(b));
    const Exact bytes(value);
    Cursor cursor(bytes.view());
    std::uint32_t size = 0;
    std::uint64_t number = 0;
    std::string_view text;
    CHECK(cursor.at_array() == (object->type == msgpack::type::ARRAY));
    CHECK(cursor.at_map() == (object->type == msgpack::type::MAP));
    CHECK(cursor.at_nil() == (object->type == msgpack::type::NIL));
    const bool array = cursor.read_array(size);
    CHECK(array == (object->type == msgpack::type::ARRAY));
    if (array) CHECK(size == object->via.array.size);
    cursor = Cursor(bytes.view());
    const bool map = cursor.read_map(size);
    CHECK(map == (object->type == msgpack::type::MAP));
    if (map) CHECK(size == object->via.map.size);
    cursor = Cursor(bytes.view());
    const bool str = cursor.read_str(text);
    CHECK(str == (object->type == msgpack::type::STR));
    if (str) CHECK(text == std::string_view(object->via.str.ptr, object->via.str.size));
    if (str) CHECK(cursor.at_end());
    cursor = Cursor(bytes.view());
    const bool uint = cursor.read_uint(number);
    CHECK(uint == (object->type == msgpack::type::POSITIVE_INTEGER));
    if (uint) CHECK(number == object->via.u64);
    if (uint) CHECK(cursor.at_end());
    cursor = Cursor(bytes.view());
    CHECK(cursor.read_nil() == (object->type == msgpack::type::NIL));
  }
}

TEST_CASE("A read that fails takes no step") {
  for (const auto& value : one_of_each()) {
    for (std::size_t size = 0; size < value.size(); ++size) {
      const Exact bytes(std::string_view{value}.substr(0, size));
      std::uint32_t count = 0;
      std::uint64_t number = 0;
      std::string_view text;
      Cursor cursor(bytes.view());
      const char* const start = cursor.position();
      const bool any = cursor.skip(limits::kMaxDepth, text) || cursor.read_str(text) ||
                       cursor.read_uint(number) || cursor.read_nil();
      REQUIRE_FALSE(any);
      REQUIRE(cursor.position() == start);
      // Headers of containers are whole before their content is.
      if (cursor.read_array(count) || cursor.read_map(count)) CHECK(cursor.position() > start);
    }
  }
}

TEST_CASE("A cursor at the end reads nothing") {
  Cursor cursor{std::string_view{}};
  std::uint32_t size = 0;
  std::uint64_t number = 0;
  std::string_view text;
  CHECK(cursor.at_end());
  CHECK_FALSE((cursor.at_array() || cursor.at_map() || cursor.at_nil()));
  CHECK_FALSE((cursor.read_array(size) || cursor.read_map(size) || cursor.read_str(text)));
  CHECK_FALSE((cursor.read_uint(number) || cursor.read_nil() || cursor.skip(1, text)));
}

TEST_CASE("0xc1 is refused wherever it stands") {
  for (const auto& bytes : {"c1"_hex, "91c1"_hex, "81c1c0"_hex, "81c0c1"_hex, "9390c1c0"_hex}) {
    std::string_view value;
    CHECK_FALSE(Cursor(bytes).skip(limits::kMaxDepth, value));
  }
}

TEST_CASE("Nesting is followed as deep as the caller allows and no deeper") {
  std::string_view value;
  for (const int depth : {1, 2, 63, 64}) {
    const std::string fits = nested(depth);
    const std::string too_deep = nested(depth + 1);
    CHECK(Cursor(fits).skip(depth, value));
    CHECK_FALSE(Cursor(too_deep).skip(depth, value));
  }
  CHECK(Cursor("c0"_hex).skip(0, value));
  CHECK_FALSE(Cursor("90"_hex).skip(0, value));
  CHECK_FALSE(Cursor(nested(65)).skip(1'000'000, value));
  CHECK_FALSE(Cursor(nested(1'000'000)).skip(limits::kMaxDepth, value));
  CHECK(Cursor("81a16181a16280"_hex).skip(3, value));
  CHECK_FALSE(Cursor("81a16181a16280"_hex).skip(2, value));
}

TEST_CASE("Lengths beyond the end are refused, the greatest too") {
  std::string_view value;
  std::uint32_t size = 0;
  for (const auto& header : {"c4ff"_hex, "c5ffff"_hex, "c6ffffffff"_hex, "c7ff05"_hex, "c8ffff05"_hex,
                             "c9ffffffff05"_hex, "d9ff"_hex, "daffff"_hex, "dbffffffff"_hex, "dcffff"_hex,
                             "ddffffffff"_hex, "deffff"_hex, "dfffffffff"_hex}) {
    const Exact bytes(header + std::string(20, '\x01'));
    Cursor cursor(bytes.view());
    CHECK_FALSE(cursor.skip(limits::kMaxDepth, value));
    CHECK_FALSE(cursor.read_str(value));
    if (cursor.read_array(size) || cursor.read_map(size)) CHECK(size >= 0xffff);
  }
}

TEST_CASE("A signed integer is read when it is not negative") {
  std::uint64_t number = 0;
  CHECK((Cursor("d07f"_hex).read_uint(number) && number == 127));
  CHECK((Cursor("d17fff"_hex).read_uint(number) && number == 0x7fff));
  CHECK((Cursor("d27fffffff"_hex).read_uint(number) && number == 0x7fff'ffff));
  CHECK((Cursor("d37fffffffffffffff"_hex).read_uint(number) && number == 0x7fff'ffff'ffff'ffff));
  for (const auto& negative :
       {"ff"_hex, "e0"_hex, "d0ff"_hex, "d18000"_hex, "d2ffffffff"_hex, "d38000000000000000"_hex}) {
    CHECK_FALSE(Cursor(negative).read_uint(number));
  }
}

TEST_CASE("A skip accepts of random bytes exactly what msgpack-cxx accepts") {
  const std::uint64_t seed = test_seed("random bytes");
  INFO("SAMOVAR_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::size_t accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    // No more bytes than levels, so that depth is never the reason. Half of them are types with a length.
    std::string bytes(random() % 48, '\0');
    for (auto& byte : bytes) {
      const std::uint64_t r = random();
      byte = static_cast<char>((r & 0x100) != 0 ? 0x80 + r % 0x60 : (r & 0x200) != 0 ? r % 6 : r & 0xff);
    }
    const Exact exact(bytes);
    Cursor cursor(exact.view());
    std::string_view value;
    const bool ok = cursor.skip(limits::kMaxDepth, value);
    const std::size_t expected = extent(exact.view());
    if ((ok ? value.size() : 0) != expected) {
      FAIL("iteration " << i << ": " << (ok ? value.size() : 0) << " bytes, msgpack-cxx takes " << expected);
    }
    accepted += ok;
  }
  CHECK(accepted > 10'000);
}

TEST_CASE("The decoders refuse random bytes or survive them") {
  const std::uint64_t seed = test_seed("random messages");
  INFO("SAMOVAR_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200'000; ++i) {
    static constexpr const char* kKinds[] = {"request", "reply",    "cancel",        "hello",
                                             "ready",   "obituary", "protocol_error"};
    const std::size_t kind = random() % 7;
    std::string bytes(random() % 64, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random() & 0xff);
    // Most have a head of their kind: else few would come beyond it.
    static constexpr char kNumbers[] = {2, 3, 4, 1, 5, 10, 12};
    if (random() % 8 != 0) {
      bytes.insert(0, {static_cast<char>(0x90 + random() % 16), '\x01', kNumbers[kind], '\x05'});
    }
    const Exact exact(bytes);
    static_cast<void>(refuse(kKinds[kind], exact.view(), random() % 3));
  }
}

}  // namespace
}  // namespace samovar::proto
