#include "tests/proto/vectors.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <msgpack.hpp>
#include <random>
#include <stdexcept>

#include "proto/control.hpp"
#include "proto/limits.hpp"

namespace samovar::proto {
namespace {

using nlohmann::json;

std::vector<Vector> load() {
  std::vector<Vector> all;
  for (const char* name : {"hello", "requests", "replies", "streams", "control", "malformed"}) {
    const std::string path = std::string{SAMOVAR_SOURCE_DIR} + "/proto/vectors/" + name + ".json";
    std::ifstream file(path);
    const json entries = file ? json::parse(file) : json::array();
    if (entries.empty()) throw std::runtime_error("no vectors in " + path);
    for (const auto& entry : entries) {
      all.push_back({entry.at("name"), entry.at("kind"), entry.at("valid"),
                     from_hex(entry.at("hex").get<std::string>()), entry.at("attachments"),
                     entry.value("decoded", json()), entry.value("version", json())});
    }
  }
  return all;
}

template <typename Integer>
json integer(Integer number) {
  constexpr auto kMax = static_cast<std::int64_t>(limits::kMaxPrefixInteger);
  const bool fits = std::cmp_less_equal(number, kMax) && std::cmp_greater_equal(number, -kMax);
  return fits ? json(number) : json{{"$int", std::to_string(number)}};
}

json number(double value) {
  if (std::isnan(value)) return {{"$float", "nan"}};
  if (std::isinf(value)) return {{"$float", value > 0 ? "inf" : "-inf"}};
  return value;
}

json extension(const msgpack::object& object) {
  const std::string_view data(object.via.ext.data(), object.via.ext.size);
  const auto big_endian = [&](std::size_t at, std::size_t width) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < width; ++i) n = n << 8 | static_cast<unsigned char>(data[at + i]);
    return n;
  };
  const auto time = [](std::int64_t seconds, std::uint64_t nanoseconds) -> json {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const auto more = static_cast<std::int64_t>(nanoseconds) / kSecond;
    if (seconds > std::numeric_limits<std::int64_t>::max() - more) return nullptr;
    seconds += more;
    const std::string digits = std::to_string(nanoseconds % kSecond);
    return {{"$time", std::to_string(seconds) + "." + std::string(9 - digits.size(), '0') + digits}};
  };
  if (object.via.ext.type() == -1) {
    json point;
    if (data.size() == 4) point = time(static_cast<std::int64_t>(big_endian(0, 4)), 0);
    if (data.size() == 8) {
      const std::uint64_t both = big_endian(0, 8);
      point = time(static_cast<std::int64_t>(both & 0x3'ffff'ffff), both >> 34);
    }
    if (data.size() == 12) point = time(static_cast<std::int64_t>(big_endian(4, 8)), big_endian(0, 4));
    if (!point.is_null()) return point;
  }
  return {{"$ext", {{"type", object.via.ext.type()}, {"data", to_hex(data)}}}};
}

json to_json(const msgpack::object& object);

json map_to_json(const msgpack::object_map& map) {
  json plain = json::object();
  json pairs = json::array();
  bool is_plain = true;
  for (std::uint32_t i = 0; i < map.size; ++i) {
    const json key = to_json(map.ptr[i].key);
    json value = to_json(map.ptr[i].val);
    pairs.push_back(json::array({key, value}));
    is_plain = is_plain && key.is_string() && !plain.contains(key.get<std::string>());
    if (is_plain) plain[key.get<std::string>()] = std::move(value);
  }
  return is_plain ? plain : json{{"$map", pairs}};
}

json to_json(const msgpack::object& object) {
  switch (object.type) {
    case msgpack::type::NIL: return nullptr;
    case msgpack::type::BOOLEAN: return object.via.boolean;
    case msgpack::type::POSITIVE_INTEGER: return integer(object.via.u64);
    case msgpack::type::NEGATIVE_INTEGER: return integer(object.via.i64);
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64: return number(object.via.f64);
    case msgpack::type::STR: {
      std::string text(object.via.str.ptr, object.via.str.size);
      return is_utf8(text) ? json(std::move(text)) : json{{"$badstr", to_hex(text)}};
    }
    case msgpack::type::BIN: return {{"$bytes", to_hex({object.via.bin.ptr, object.via.bin.size})}};
    case msgpack::type::EXT: return extension(object);
    case msgpack::type::ARRAY: {
      json out = json::array();
      for (std::uint32_t i = 0; i < object.via.array.size; ++i)
        out.push_back(to_json(object.via.array.ptr[i]));
      return out;
    }
    case msgpack::type::MAP: return map_to_json(object.via.map);
  }
  throw std::logic_error("a type that msgpack does not have");
}

template <typename T>
Malformed refuse_control(std::string_view frame) {
  T out;
  return decode(frame, out);
}

struct KindOfVector {
  std::string_view name;
  Kind kind;
  Malformed (*control)(std::string_view frame);
};

constexpr KindOfVector kKinds[] = {
    {"hello", Kind::hello, refuse_control<PeerHello>},
    {"broker_hello", Kind::hello, refuse_control<BrokerHello>},
    {"request", Kind::request, nullptr},
    {"reply", Kind::reply, nullptr},
    {"cancel", Kind::cancel, nullptr},
    {"ready", Kind::ready, refuse_control<Ready>},
    {"register_again", Kind::register_again, refuse_control<Notice>},
    {"drain", Kind::drain, refuse_control<Notice>},
    {"drained", Kind::drained, refuse_control<Notice>},
    {"pool", Kind::pool, refuse_control<Pool>},
    {"obituary", Kind::obituary, refuse_control<Obituary>},
    {"command", Kind::command, refuse_control<Command>},
    {"command_done", Kind::command_done, refuse_control<CommandDone>},
    {"brokers", Kind::brokers, refuse_control<Brokers>},
    {"probe", Kind::probe, nullptr},
    {"items", Kind::items, nullptr},
    {"window", Kind::window, nullptr},
    {"protocol_error", Kind::protocol_error, refuse_control<ProtocolError>},
};

}  // namespace

const std::vector<Vector>& vectors() {
  static const std::vector<Vector> all = load();
  return all;
}

std::vector<Vector> valid_vectors(std::string_view kind) {
  std::vector<Vector> some;
  for (const auto& vector : vectors()) {
    if (vector.valid && vector.kind == kind) some.push_back(vector);
  }
  if (some.empty()) throw std::runtime_error("no vectors of kind " + std::string{kind});
  return some;
}

Malformed refuse(std::string_view kind, std::string_view frame, std::size_t attachments) {
  Head head;
  if (auto why = decode_head(frame, head)) return why;
  if (head.version != kVersion) return "the version is not spoken";
  for (const auto& known : kKinds) {
    if (known.name != kind) continue;
    if (head.kind != static_cast<std::uint64_t>(known.kind)) return "the message is of another kind";
    std::uint64_t sent_us = 0;
    std::vector<RequestItem> requests;
    std::vector<ReplyItem> replies;
    std::vector<std::uint64_t> ids;
    if (known.kind == Kind::request) return decode_requests(frame, attachments, sent_us, requests);
    if (known.kind == Kind::reply) return decode_replies(frame, attachments, replies);
    std::vector<StreamItem> items;
    std::vector<Window> windows;
    if (known.kind == Kind::items) return decode_items(frame, attachments, items);
    if (attachments != 0) return "only requests, replies and items have attachments";
    if (known.kind == Kind::window) return decode_windows(frame, windows);
    if (known.kind == Kind::cancel) return decode_ids(frame, ids);
    return known.control ? known.control(frame) : nullptr;
  }
  for (const auto& known : kKinds) {
    if (head.kind == static_cast<std::uint64_t>(known.kind)) return nullptr;
  }
  return "the kind is not known";
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

bool is_utf8(std::string_view text) {
  try {
    static_cast<void>(json(std::string(text)).dump());
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

std::string from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) throw std::runtime_error("hex of an odd length");
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16));
  }
  return out;
}

std::vector<json> all_to_json(std::string_view msgpack) {
  std::vector<json> values;
  for (std::size_t at = 0; at < msgpack.size();) {
    values.push_back(to_json(*msgpack::unpack(msgpack.data(), msgpack.size(), at)));
  }
  return values;
}

json to_json(std::string_view msgpack) {
  auto values = all_to_json(msgpack);
  if (values.size() != 1) throw std::runtime_error("not exactly one msgpack value");
  return values.front();
}

std::uint64_t test_seed(const char* test) {
  const char* given = std::getenv("SAMOVAR_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("%s: SAMOVAR_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace samovar::proto
