#include "tests/proto/vectors.hpp"

#include <algorithm>
#include <fstream>
#include <random>

#include "proto/control.hpp"
#include "tests/support/catch.hpp"

namespace samovar::proto {
namespace {

using nlohmann::json;

// As text, since json takes 1 and 1.0 for equal.
#define CHECK_SAME(actual, expected) CHECK((actual).dump() == (expected).dump())

std::uint64_t epoch_of(std::string_view frame) {
  Head head;
  REQUIRE(decode_head(frame, head) == nullptr);
  return head.epoch;
}

void check_request(const RequestItem& item, const json& expected) {
  MethodName parts;
  const bool is_wrong = item.wrong != nullptr || !split_method(item.method, parts);
  CHECK(item.id == expected.at("id"));
  CHECK(std::uint64_t{item.attempt} == expected.at("attempt"));
  CHECK(std::uint64_t{item.flags} == expected.at("flags"));
  CHECK(item.timeout_us == expected.at("timeout_us"));
  CHECK(is_wrong == expected.value("wrong", false));
  const auto body = all_to_json(item.body);
  REQUIRE(body.size() == 2);
  CHECK_SAME(body[0], expected.at("args"));
  CHECK_SAME(body[1], expected.at("kwargs"));
  CHECK_SAME(to_json(item.ext), expected.at("ext"));
  CHECK(all_to_json(item.tail()).size() == 3);
  if (is_wrong) return;
  CHECK(item.method == expected.at("method").get<std::string>());
  CHECK(std::string{parts.service} + "." + std::string{parts.method} == item.method);
  json ext = expected.at("ext").is_object() ? expected.at("ext") : json::object();
  for (const auto& [key, value] : ext.value("$map", std::vector<std::pair<json, json>>())) {
    if (key.is_string()) ext[key.get<std::string>()] = value;  // the last of equal ones counts
  }
  const auto known = [&](const char* key, std::uint64_t absent) {
    return ext.contains(key) && !ext[key].is_null() ? ext[key].get<std::uint64_t>() : absent;
  };
  CHECK(item.attachments == known("attachments", 0));
  CHECK(static_cast<std::uint64_t>(item.priority) == known("priority", 1));
}

void check_reply(const ReplyItem& item, const json& expected) {
  CHECK(item.id == expected.at("id"));
  CHECK(std::uint64_t{item.attempt} == expected.at("attempt"));
  CHECK(static_cast<std::uint64_t>(item.status) == expected.at("status"));
  CHECK(item.run_us == expected.at("run_us"));
  CHECK_SAME(to_json(item.value), expected.at("value"));
  CHECK_SAME(to_json(item.ext), expected.at("ext"));
  CHECK(all_to_json(item.tail()).size() == 2);
  const json ext = expected.at("ext").is_object() ? expected.at("ext") : json::object();
  CHECK(item.attachments == ext.value("attachments", std::uint64_t{0}));
  ErrorValue error;
  if (item.status != Status::ok) {
    CHECK(decode_error(item.value, error) == nullptr);
    CHECK(error.message == expected.at("value").at("message").get<std::string>());
  }
}

// --- control structs as JSON, every key filled in ----------------------------------------------------------

json maybe(const std::optional<std::uint64_t>& number) {
  return number ? json(*number) : json();
}

json raw(const std::string& msgpack) {
  return msgpack.empty() ? json() : to_json(msgpack);
}

json all_keys(const PeerHello& in) {
  return {{"role", to_word(in.role)}, {"nonce", in.nonce}, {"name", in.name}, {"pid", in.pid},
          {"clock", in.clock},        {"token", in.token}};
}
json all_keys(const BrokerHello& in) {
  return {{"nonce", in.nonce},
          {"software", in.software},
          {"broker", in.broker},
          {"clock", in.clock},
          {"max_body", in.max_body},
          {"max_bundle", in.max_bundle},
          {"heartbeat_ms", in.heartbeat_ms},
          {"default_timeout_us", in.default_timeout_us},
          {"max_timeout_us", in.max_timeout_us}};
}
json all_keys(const Ready& in) {
  json methods = json::object();
  for (const auto& [name, method] : in.methods) {
    methods[name] = {{"idempotent", method.idempotent},
                     {"pure", method.pure},
                     {"stream", method.stream},
                     {"cancel", method.cancel},
                     {"timeout_us", method.timeout_us},
                     {"hard_timeout_us", method.hard_timeout_us},
                     {"priority", static_cast<int>(method.priority)}};
  }
  return {{"service", in.service},
          {"methods", methods},
          {"credit", in.credit},
          {"concurrency", in.concurrency},
          {"generation", in.generation},
          {"pid", in.pid},
          {"name", in.name},
          {"supervisor", in.supervisor},
          {"brokers", in.brokers},
          {"uid", in.uid},
          {"schema", raw(in.schema)}};
}
json all_keys(const Brokers& in) {
  return {{"brokers", in.brokers}};
}
json all_keys(const Pool& in) {
  return {{"service", in.service},   {"state", to_word(in.state)}, {"wanted", in.wanted},
          {"alive", in.alive},       {"restarts", in.restarts},    {"reason", in.reason},
          {"detail", raw(in.detail)}};
}
json all_keys(const Obituary& in) {
  return {{"worker_epoch", in.worker_epoch},        {"pid", maybe(in.pid)},  {"signal", maybe(in.signal)},
          {"exit_code", maybe(in.exit_code)},       {"reason", in.reason},   {"stderr", in.stderr_lines},
          {"last_started", maybe(in.last_started)}, {"running", in.running}, {"stack", in.stack},
          {"out_of_memory", in.out_of_memory}};
}
json all_keys(const Command& in) {
  return {{"id", in.id}, {"command", in.command}, {"args", raw(in.args)}};
}
json all_keys(const CommandDone& in) {
  return {{"id", in.id}, {"ok", in.ok}, {"message", in.message}, {"result", raw(in.result)}};
}
json all_keys(const ProtocolError& in) {
  return {{"message", in.message}, {"got", maybe(in.got)}, {"speaks", in.speaks}};
}
json all_keys(const Notice& in) {
  return {{"reason", in.reason}, {"answer", in.answer}};
}

// What a reader must see of `map`: the known keys, with defaults for those that are absent.
json expected_keys(const json& map, json defaults) {
  for (auto& [key, value] : defaults.items()) {
    if (map.contains(key)) value = map[key];
  }
  if (defaults.contains("methods")) {
    for (auto& [name, method] : defaults["methods"].items()) {
      method = {{"idempotent", method.value("idempotent", false)},
                {"pure", method.value("pure", false)},
                {"stream", method.value("stream", false)},
                {"cancel", method.value("cancel", false)},
                {"timeout_us", method.value("timeout_us", std::uint64_t{0})},
                {"hard_timeout_us", method.value("hard_timeout_us", std::uint64_t{0})},
                {"priority", method.value("priority", 1)}};
    }
  }
  return defaults;
}

template <typename T>
void check_control(const char* kind, std::string (*again)(std::uint64_t epoch, const T& in)) {
  for (const auto& vector : valid_vectors(kind)) {
    INFO(vector.name);
    const Exact frame(vector.frame);
    T out;
    REQUIRE(decode(frame.view(), out) == nullptr);
    CHECK(epoch_of(frame.view()) == vector.decoded.at("epoch"));
    const json expected = expected_keys(vector.decoded.at("map"), all_keys(T{}));
    CHECK_SAME(all_keys(out), expected);

    const Exact written(again(epoch_of(frame.view()), out));
    T read;
    REQUIRE(decode(written.view(), read) == nullptr);
    CHECK(epoch_of(written.view()) == vector.decoded.at("epoch"));
    CHECK_SAME(all_keys(read), expected);
  }
}

template <Kind kKind>
std::string notice(std::uint64_t epoch, const Notice& in) {
  return encode(kKind, epoch, in);
}

TEST_CASE("Every valid request is read as its vector states") {
  for (const auto& vector : valid_vectors("request")) {
    INFO(vector.name);
    const Exact frame(vector.frame);
    std::uint64_t sent_us = 0;
    std::vector<RequestItem> items;
    REQUIRE(decode_requests(frame.view(), vector.attachments, sent_us, items) == nullptr);
    CHECK(epoch_of(frame.view()) == vector.decoded.at("epoch"));
    CHECK(sent_us == vector.decoded.at("sent_us"));
    REQUIRE(items.size() == vector.decoded.at("items").size());
    for (std::size_t i = 0; i < items.size(); ++i) check_request(items[i], vector.decoded.at("items")[i]);
  }
}

TEST_CASE("Every valid reply is read as its vector states") {
  for (const auto& vector : valid_vectors("reply")) {
    INFO(vector.name);
    const Exact frame(vector.frame);
    std::vector<ReplyItem> items;
    REQUIRE(decode_replies(frame.view(), vector.attachments, items) == nullptr);
    CHECK(epoch_of(frame.view()) == vector.decoded.at("epoch"));
    REQUIRE(items.size() == vector.decoded.at("items").size());
    for (std::size_t i = 0; i < items.size(); ++i) check_reply(items[i], vector.decoded.at("items")[i]);
  }
}

TEST_CASE("Requests that are written again mean the same") {
  for (const auto& vector : valid_vectors("request")) {
    INFO(vector.name);
    std::uint64_t sent_us = 0;
    std::vector<RequestItem> items;
    REQUIRE(decode_requests(vector.frame, vector.attachments, sent_us, items) == nullptr);
    BundleWriter writer(Kind::request, epoch_of(vector.frame), sent_us);
    std::vector<json> expected;
    std::size_t attachments = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto& item = items[i];
      if (item.wrong) continue;
      writer.add_request(item.id, item.attempt, item.flags, item.timeout_us, item.method, item.tail());
      expected.push_back(vector.decoded.at("items")[i]);
      attachments += item.attachments;
    }
    if (expected.empty()) continue;
    const Exact written(std::move(writer).finish());
    REQUIRE(decode_requests(written.view(), attachments, sent_us, items) == nullptr);
    CHECK(epoch_of(written.view()) == vector.decoded.at("epoch"));
    CHECK(sent_us == vector.decoded.at("sent_us"));
    REQUIRE(items.size() == expected.size());
    for (std::size_t i = 0; i < items.size(); ++i) check_request(items[i], expected[i]);
  }
}

TEST_CASE("Replies that are written again mean the same") {
  for (const auto& vector : valid_vectors("reply")) {
    INFO(vector.name);
    std::vector<ReplyItem> items;
    REQUIRE(decode_replies(vector.frame, vector.attachments, items) == nullptr);
    BundleWriter writer(Kind::reply, epoch_of(vector.frame));
    for (const auto& item : items)
      writer.add_reply(item.id, item.attempt, item.status, item.run_us, item.tail());
    const Exact written(std::move(writer).finish());
    REQUIRE(decode_replies(written.view(), vector.attachments, items) == nullptr);
    CHECK(epoch_of(written.view()) == vector.decoded.at("epoch"));
    REQUIRE(items.size() == vector.decoded.at("items").size());
    for (std::size_t i = 0; i < items.size(); ++i) check_reply(items[i], vector.decoded.at("items")[i]);
  }
}

TEST_CASE("Every valid item of a stream is read and written as its vector states") {
  for (const auto& vector : valid_vectors("items")) {
    INFO(vector.name);
    const Exact frame(vector.frame);
    std::vector<StreamItem> items;
    const auto check = [&](std::string_view bytes) {
      REQUIRE(decode_items(bytes, vector.attachments, items) == nullptr);
      CHECK(epoch_of(bytes) == vector.decoded.at("epoch"));
      json seen = json::array();
      for (const auto& item : items) {
        seen.push_back({{"id", item.id},
                        {"attempt", item.attempt},
                        {"seq", item.seq},
                        {"value", to_json(item.value)},
                        {"ext", to_json(item.ext)}});
      }
      CHECK_SAME(seen, vector.decoded.at("items"));
    };
    check(frame.view());
    BundleWriter writer(Kind::items, epoch_of(frame.view()));
    for (const auto& item : items) writer.add_item(item.id, item.attempt, item.seq, item.tail());
    const Exact written(std::move(writer).finish());
    check(written.view());
  }
}

TEST_CASE("Every valid WINDOW is read and written as its vector states") {
  for (const auto& vector : valid_vectors("window")) {
    INFO(vector.name);
    const Exact frame(vector.frame);
    std::vector<Window> windows;
    const auto check = [&](std::string_view bytes) {
      REQUIRE(decode_windows(bytes, windows) == nullptr);
      CHECK(epoch_of(bytes) == vector.decoded.at("epoch"));
      json seen = json::array();
      for (const auto& [id, window] : windows) seen.push_back(json::array({id, window}));
      CHECK_SAME(seen, vector.decoded.at("windows"));
    };
    check(frame.view());
    const Exact written(encode_windows(epoch_of(frame.view()), windows));
    check(written.view());
  }
}

TEST_CASE("Every valid CANCEL is read and written as its vector states") {
  for (const auto& vector : valid_vectors("cancel")) {
    INFO(vector.name);
    const Exact frame(vector.frame);
    std::vector<std::uint64_t> ids;
    REQUIRE(decode_ids(frame.view(), ids) == nullptr);
    CHECK_SAME(json(ids), vector.decoded.at("ids"));
    const Exact written(encode_ids(Kind::cancel, epoch_of(frame.view()), ids));
    REQUIRE(decode_ids(written.view(), ids) == nullptr);
    CHECK(epoch_of(written.view()) == vector.decoded.at("epoch"));
    CHECK_SAME(json(ids), vector.decoded.at("ids"));
  }
}

TEST_CASE("Every valid control message is read and written as its vector states") {
  check_control<PeerHello>("hello", encode);
  check_control<BrokerHello>("broker_hello", encode);
  check_control<Ready>("ready", encode);
  check_control<Brokers>("brokers", encode);
  check_control<Pool>("pool", encode);
  check_control<Obituary>("obituary", encode);
  check_control<Command>("command", encode);
  check_control<CommandDone>("command_done", encode);
  check_control<ProtocolError>("protocol_error", encode);
  check_control<Notice>("register_again", notice<Kind::register_again>);
  check_control<Notice>("drain", notice<Kind::drain>);
  check_control<Notice>("drained", notice<Kind::drained>);
}

TEST_CASE("Every valid message passes from its head on, and every malformed one is refused") {
  for (const auto& vector : vectors()) {
    INFO(vector.name);
    const Exact frame(vector.frame);
    const Malformed why = refuse(vector.kind, frame.view(), vector.attachments);
    INFO((why ? why : "accepted"));
    CHECK((why == nullptr) == vector.valid);
    Head head;
    if (!vector.version.is_null()) {
      CHECK(decode_head(frame.view(), head) == nullptr);
      CHECK(head.version == vector.version);
    }
  }
}

TEST_CASE("The examples of PROTOCOL.md are vectors, byte by byte") {
  std::ifstream file(SAMOVAR_SOURCE_DIR "/proto/PROTOCOL.md");
  std::string line;
  while (std::getline(file, line) && line.rfind("## 9.", 0) != 0) {
  }
  std::string name;  // the last one in quotes
  std::string hex;
  bool in_block = false;
  int examples = 0;
  while (std::getline(file, line)) {
    if (line == "```") {
      in_block = !in_block;
      if (in_block) continue;
      INFO(name);
      const auto vector =
          std::find_if(vectors().begin(), vectors().end(), [&](const auto& v) { return v.name == name; });
      REQUIRE(vector != vectors().end());
      CHECK(vector->valid);
      CHECK(from_hex(hex) == vector->frame);
      hex.clear();
      ++examples;
    } else if (in_block) {
      for (const char c : line.substr(0, line.find('#'))) {
        if (c != ' ') hex += c;
      }
    } else if (const auto quote = line.find('"'); quote != line.npos) {
      name = line.substr(quote + 1, line.find('"', quote + 1) - quote - 1);
    }
  }
  CHECK(examples == 8);
}

TEST_CASE("A message that is cut off at any byte is refused") {
  for (const auto& vector : vectors()) {
    INFO(vector.name);
    for (std::size_t size = 0; size < vector.frame.size(); ++size) {
      const Exact frame(std::string_view{vector.frame}.substr(0, size));
      // Cut off, a message that was malformed for a surplus may be whole.
      const bool accepted = refuse(vector.kind, frame.view(), vector.attachments) == nullptr;
      if (accepted && vector.valid)
        FAIL("accepted with " << size << " of " << vector.frame.size() << " bytes");
    }
  }
}

TEST_CASE("A message of one kind is never taken for one of another by what follows its head") {
  for (const auto& vector : vectors()) {
    for (const char* kind :
         {"hello", "broker_hello", "request", "reply", "cancel", "ready", "drain", "pool", "items", "window",
          "obituary", "command", "command_done", "brokers", "probe", "protocol_error"}) {
      if (!vector.valid || vector.kind == kind) continue;
      const bool both_hello = vector.kind.ends_with("hello") && std::string_view{kind}.ends_with("hello");
      INFO(vector.name << " as " << kind);
      if (!both_hello) CHECK(refuse(kind, vector.frame, vector.attachments) != nullptr);
    }
  }
}

// One to four changes: a byte, a piece left out, a piece doubled, a piece of another vector.
std::string mutated(std::string bytes, const std::string& other, std::mt19937_64& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); };
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
    const std::size_t at = below(bytes.size() + 1);
    const std::size_t length = below(9);
    switch (below(4)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random() & 0xff);
        break;
      case 1: bytes.erase(at, length); break;
      case 2: bytes.insert(at, bytes.substr(at, length)); break;
      default: bytes.insert(at, other.substr(below(other.size()), length)); break;
    }
  }
  return bytes;
}

TEST_CASE("What is accepted of damaged messages has whole bodies") {
  const std::uint64_t seed = test_seed("damaged messages");
  INFO("SAMOVAR_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::vector<const Vector*> small;
  for (const auto& vector : vectors()) {
    if (vector.frame.size() <= 600 && !vector.frame.empty()) small.push_back(&vector);
  }
  std::uint64_t sent_us = 0;
  std::vector<RequestItem> requests;
  std::vector<ReplyItem> replies;
  std::size_t accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Vector& vector = *small[random() % small.size()];
    const Exact frame(mutated(vector.frame, small[random() % small.size()]->frame, random));
    if (refuse(vector.kind, frame.view(), vector.attachments) != nullptr) continue;
    ++accepted;
    if (vector.kind == "request") {
      REQUIRE(decode_requests(frame.view(), vector.attachments, sent_us, requests) == nullptr);
      for (const auto& item : requests) {
        REQUIRE_NOTHROW(all_to_json(item.tail()));
        REQUIRE(all_to_json(item.tail()).size() == 3);
      }
    } else if (vector.kind == "reply") {
      REQUIRE(decode_replies(frame.view(), vector.attachments, replies) == nullptr);
      for (const auto& item : replies) {
        ErrorValue error;
        REQUIRE(all_to_json(item.tail()).size() == 2);
        static_cast<void>(decode_error(item.value, error));
      }
    }
  }
  CHECK(accepted > 1'000);  // else the damage is too great to test anything
}

}  // namespace
}  // namespace samovar::proto
