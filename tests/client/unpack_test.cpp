// The reader of results against msgpack-c's.
#include <cstdint>
#include <memory>
#include <msgpack.hpp>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <samovar/detail/decode.hpp>
#include <samovar/value.hpp>

#include "client/unpack.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;

namespace {

using Packer = msgpack::packer<std::stringstream>;
using Random = std::mt19937;

std::size_t some_size(Random& random) {
  constexpr std::size_t kSizes[] = {0, 1, 2, 5, 15, 16, 31, 32, 40, 255, 256, 300, 70'000};
  return kSizes[random() % (random() % 20 == 0 ? 13 : 9)];
}

void pack_some(Packer& packer, Random& random, int depth) {
  const std::uint64_t number = (std::uint64_t{random()} << 32 | random()) >> random() % 64;
  switch (random() % (depth > 0 ? 10 : 8)) {
    case 0: packer.pack_nil(); break;
    case 1: packer.pack(random() % 2 == 0); break;
    case 2: packer.pack(number); break;
    case 3: packer.pack(-static_cast<std::int64_t>(number >> 1)); break;
    case 4: packer.pack_double(1.0 / static_cast<double>(number + 1)); break;
    case 5: packer.pack_float(1.0f / static_cast<float>(number % 1000 + 1)); break;
    case 6: {
      const std::string text(some_size(random), 'x');
      if (random() % 2 == 0) {
        packer.pack(text);
      } else {
        packer.pack_bin(static_cast<std::uint32_t>(text.size()));
        packer.pack_bin_body(text.data(), static_cast<std::uint32_t>(text.size()));
      }
      break;
    }
    case 7: {
      const std::string data(some_size(random) + 1, 'e');
      packer.pack_ext(data.size(), 7);
      packer.pack_ext_body(data.data(), static_cast<std::uint32_t>(data.size()));
      break;
    }
    case 8: {
      const auto size = static_cast<std::uint32_t>(random() % 20);
      packer.pack_array(size);
      for (std::uint32_t i = 0; i < size; ++i) pack_some(packer, random, depth - 1);
      break;
    }
    case 9: {
      const auto size = static_cast<std::uint32_t>(random() % 20);
      packer.pack_map(size);
      for (std::uint32_t i = 0; i < size; ++i) {
        packer.pack("key " + std::to_string(i));
        pack_some(packer, random, depth - 1);
      }
      break;
    }
  }
}

// To compare two trees: msgpack-c's own == passes the null pointer of an empty text to memcmp.
std::string packed(const msgpack::object& object) {
  std::stringstream stream;
  Packer(stream).pack(object);
  return stream.str();
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '\x91') + '\xc0';
}

}  // namespace

TEST_CASE("a result is read as msgpack-c reads it") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  Random random(seed);
  for (int i = 0; i < 2'000; ++i) {
    std::stringstream stream;
    Packer packer(stream);
    pack_some(packer, random, 3);
    const std::string bytes = stream.str();
    const auto expected = msgpack::unpack(bytes.data(), bytes.size());
    const auto value = Value::parse(Buffer(bytes));
    const detail::Unpacked unpacked(bytes);
    REQUIRE(packed(value.object()) == packed(expected.get()));
    REQUIRE(packed(unpacked.object()) == packed(expected.get()));
    REQUIRE(value.object().type == expected->type);

    const auto cut = bytes.substr(0, random() % bytes.size());
    REQUIRE_THROWS_AS(Value::parse(Buffer(cut)), std::invalid_argument);
    REQUIRE_THROWS_AS(detail::Unpacked(cut), std::runtime_error);
  }
}

TEST_CASE("every first byte is read as msgpack-c reads it") {
  for (int head = 0; head < 256; ++head) {
    const std::string bytes = static_cast<char>(head) + std::string(40, '\x01');
    std::size_t size = 0;
    std::size_t expected_size = 0;
    const auto objects = detail::count_objects(bytes, size);
    INFO("first byte " << head);
    try {
      const auto expected = msgpack::unpack(bytes.data(), bytes.size(), expected_size);
      REQUIRE(objects > 0);
      CHECK(size == expected_size);
      CHECK(packed(detail::Unpacked(bytes).object()) == packed(expected.get()));
    } catch (const msgpack::unpack_error&) {
      CHECK(objects == 0);
    }
  }
}

TEST_CASE("a value that claims more elements than it has bytes is refused before any memory is taken") {
  std::size_t size = 0;
  CHECK(detail::count_objects("\xdd\xff\xff\xff\xff", size) == 0);
  CHECK(detail::count_objects("\xdf\xff\xff\xff\xff\xc0", size) == 0);
  CHECK(detail::count_objects("\xdb\xff\xff\xff\xff", size) == 0);
  CHECK(detail::count_objects("", size) == 0);
}

TEST_CASE("a value may be nested 64 deep, but not more") {
  CHECK(Value::parse(Buffer(nested(64))).size() == 1);
  CHECK_THROWS_AS(Value::parse(Buffer(nested(65))), std::invalid_argument);
  CHECK_THROWS_AS(detail::Unpacked(nested(65)), std::runtime_error);
}

TEST_CASE("a small value does not keep the message that it came in, a large one does") {
  for (const std::size_t size : {std::size_t{10}, std::size_t{5'000}}) {
    std::string packed;
    detail::pack_value(packed, std::string(size, 'x'));
    auto owner = std::make_shared<const std::string>(packed);
    const std::weak_ptr<const std::string> kept = owner;
    const std::string_view view = *owner;
    const auto value = Value::parse(Buffer(std::move(owner), view));
    CHECK(value.raw() == std::string(size, 'x'));
    CHECK(kept.expired() == (size < 1'000));
  }
}
