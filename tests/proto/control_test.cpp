#include "proto/control.hpp"

#include "proto/limits.hpp"
#include "tests/proto/vectors.hpp"
#include "tests/support/catch.hpp"

namespace samovar::proto {
namespace {

// A message of that kind whose map has the entries given, each a key and its msgpack.
std::string message(Kind kind, const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "\x94\x01";
  append_uint(out, static_cast<std::uint64_t>(kind));
  append_uint(out, 5);
  append_map(out, static_cast<std::uint32_t>(entries.size()));
  for (const auto& [key, value] : entries) {
    append_str(out, key);
    out += value;
  }
  return out;
}

std::string map_of(const std::string& message) {
  std::string_view map;
  REQUIRE(decode_control(message, map) == nullptr);
  return std::string{map};
}

std::string methods(std::size_t count) {
  std::string out;
  append_map(out, static_cast<std::uint32_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    append_str(out, "m" + std::to_string(i));
    append_map(out, 0);
  }
  return out;
}

TEST_CASE("Each state of a pool and each role has its word") {
  CHECK(to_word(Role::client) == "client");
  CHECK(to_word(Role::worker) == "worker");
  CHECK(to_word(Role::supervisor) == "supervisor");
  CHECK(to_word(PoolState::loading) == "loading");
  CHECK(to_word(PoolState::serving) == "serving");
  CHECK(to_word(PoolState::failed) == "failed");
  CHECK(to_word(PoolState::stopping) == "stopping");
  for (const auto state : {PoolState::loading, PoolState::serving, PoolState::failed, PoolState::stopping}) {
    Pool in{"s", state, 1, 2, 3, "why", ""};
    Pool out;
    REQUIRE(decode(encode(5, in), out) == nullptr);
    CHECK(out.state == state);
  }
}

TEST_CASE("What is absent from a struct is absent from the message") {
  Obituary obituary;
  obituary.worker_epoch = 3;
  ProtocolError refusal;
  refusal.message = "m";
  CHECK(to_json(map_of(encode(5, obituary))) == nlohmann::json{{"worker_epoch", 3}, {"running", false}});
  CHECK(to_json(map_of(encode(Kind::drain, 5, Notice{}))) == nlohmann::json::object());
  CHECK(to_json(map_of(encode(5, refusal))) == nlohmann::json{{"message", "m"}});
}

TEST_CASE("A service of 1,024 methods is read and one of 1,025 is refused") {
  for (const std::size_t count : {limits::kMaxMethods, limits::kMaxMethods + 1}) {
    Ready in;
    in.service = "s";
    for (std::size_t i = 0; i < count; ++i) in.methods["m" + std::to_string(i)] = {.idempotent = i % 2 == 0};
    const std::string frame = encode(5, in);
    Ready out;
    CHECK((decode(frame, out) == nullptr) == (count == limits::kMaxMethods));
    if (count != limits::kMaxMethods) continue;
    CHECK(out.methods.size() == count);
    CHECK(out.methods.at("m0").idempotent);
    CHECK_FALSE(out.methods.at("m1").idempotent);
  }
}

TEST_CASE("The largest READY fits into a control message with names of usual length") {
  Ready in;
  in.service.assign(limits::kMaxNameBytes, 's');
  for (std::size_t i = 0; i < limits::kMaxMethods; ++i) {
    in.methods[std::string(200, 'm') + std::to_string(i)] = {.idempotent = true};
  }
  CHECK(encode(5, in).size() <= limits::kMaxControlBytes);
}

TEST_CASE("A worker may ask for a credit from 1 to 256") {
  for (const std::uint64_t credit : {0u, 1u, 256u, 257u}) {
    std::string number;
    append_uint(number, credit);
    Ready out;
    const auto frame =
        message(Kind::ready, {{"service", "\xa1s"}, {"methods", methods(1)}, {"credit", number}});
    CHECK((decode(frame, out) == nullptr) == (credit >= 1 && credit <= 256));
  }
}

TEST_CASE("What a supervisor says of its pool is kept to 32 levels") {
  for (const int levels : {1, limits::kMaxDetailDepth, limits::kMaxDetailDepth + 1}) {
    std::string nested(static_cast<std::size_t>(levels), '\x91');
    nested += '\x05';
    INFO(levels);
    Pool pool{"s", PoolState::serving, 1, 1, 0, "", nested};
    Pool out;
    CHECK((decode(encode(5, pool), out) == nullptr) == (levels <= limits::kMaxDetailDepth));
    if (levels <= limits::kMaxDetailDepth) CHECK(out.detail == nested);
    // The map itself is a level.
    CommandDone done{1, true, "", "\x81\xa1x" + nested};
    CommandDone read;
    CHECK((decode(encode(5, done), read) == nullptr) == (levels < limits::kMaxDetailDepth));
  }
}

TEST_CASE("The last of two methods of one name counts") {
  const std::string twice("\x82\xa1m\x81\xaaidempotent\xc3\xa1m\x81\xa4pure\xc3", 25);
  Ready out;
  REQUIRE(decode(message(Kind::ready, {{"service", "\xa1s"}, {"methods", twice}, {"credit", "\x01"}}), out) ==
          nullptr);
  CHECK(out.methods.at("m").pure);
  CHECK_FALSE(out.methods.at("m").idempotent);
}

TEST_CASE("Every key of an error survives the wire") {
  const ErrorValue in{.message = "lost",
                      .where = "worker",
                      .type = "ValueError",
                      .traceback = "Traceback",
                      .retry_after_us = 5,
                      .pid = 6,
                      .signal = 0,
                      .exit_code = 255,
                      .stderr_lines = "last words",
                      .stack = "File"};
  ErrorValue out;
  REQUIRE(decode_error(encode_error(in), out) == nullptr);
  CHECK(out.message == in.message);
  CHECK(out.where == in.where);
  CHECK(out.type == in.type);
  CHECK(out.traceback == in.traceback);
  CHECK(out.retry_after_us == in.retry_after_us);
  CHECK(out.pid == in.pid);
  CHECK(out.signal == in.signal);
  CHECK(out.exit_code == in.exit_code);
  CHECK(out.stderr_lines == in.stderr_lines);
  CHECK(out.stack == in.stack);
}

TEST_CASE("An error that is written without a message has one") {
  ErrorValue error;
  REQUIRE(decode_error(encode_error({}), error) == nullptr);
  CHECK_FALSE(error.message.empty());
  CHECK_FALSE(error.pid.has_value());
  ProtocolError refusal;
  REQUIRE(decode(encode(5, ProtocolError{}), refusal) == nullptr);
  CHECK_FALSE(refusal.message.empty());
}

TEST_CASE("A key of an error that has the wrong type refuses it") {
  for (const char* key : {"message", "where", "type", "traceback", "stderr", "stack"}) {
    std::string map = "\x82";
    append_str(map, key);
    map += "\x05";
    append_str(map, std::string_view{key} == "message" ? "x" : "message");
    append_str(map, "m");
    ErrorValue out;
    INFO(key);
    CHECK(decode_error(map, out) != nullptr);
  }
  for (const char* key : {"retry_after_us", "pid", "signal", "exit_code"}) {
    for (const char* value : {"a131", "ff", "c3", "cb3ff0000000000000", "cf0020000000000000"}) {
      std::string map = "\x82";
      append_str(map, "message");
      append_str(map, "m");
      append_str(map, key);
      map += from_hex(value);
      ErrorValue out;
      INFO(key << " " << value);
      CHECK(decode_error(map, out) != nullptr);
    }
  }
}

TEST_CASE("What is not one map is refused as an error") {
  ErrorValue out;
  for (const char* hex : {"", "c0", "90", "c1", "dfffffffff", "81a76d657373616765ddffffffff",
                          "81a76d657373616765a16dc0", "80", "81a76d657373616765"}) {
    INFO(hex);
    const Exact bytes(from_hex(hex));
    CHECK(decode_error(bytes.view(), out) != nullptr);
  }
}

TEST_CASE("Long text is cut between two characters") {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    while (text.size() < 2 * limits::kMaxErrorText) text += "茶";
    ErrorValue in;
    in.message = in.traceback = in.stderr_lines = text;
    ErrorValue out;
    REQUIRE(decode_error(encode_error(in), out) == nullptr);
    for (const auto& cut : {out.message, out.traceback, out.stderr_lines}) {
      CHECK(cut.size() <= limits::kMaxErrorText);
      CHECK(cut.size() > limits::kMaxErrorText - 4);
      CHECK_NOTHROW(nlohmann::json(cut).dump());  // throws where it is not UTF-8
    }
  }
}

TEST_CASE("Any number of versions that are spoken is written") {
  for (const std::size_t count : {0u, 1u, 15u, 16u, 300u}) {
    ProtocolError in{.message = "m", .got = 2, .speaks = {}};
    for (std::uint64_t version = 1; version <= count; ++version) in.speaks.push_back(version);
    ProtocolError out;
    REQUIRE(decode(encode(5, in), out) == nullptr);
    CHECK(out.speaks == in.speaks);
    CHECK(out.got == in.got);
  }
}

}  // namespace
}  // namespace samovar::proto
