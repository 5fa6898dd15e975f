// The maps of control messages, as values. Keys and meanings: PROTOCOL.md, section 5. Unknown keys are
// ignored; a key of the wrong type, or a missing one that is required, refuses the message. Nothing throws.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/codec.hpp"

namespace samovar::proto {

enum class Role : std::uint8_t { client, worker, supervisor };
std::string_view to_word(Role role);

struct PeerHello {
  Role role = Role::client;
  std::uint64_t nonce = 0;
  std::string name;
  std::uint64_t pid = 0;
  std::string clock;
  std::string token;
};

struct BrokerHello {
  std::uint64_t nonce = 0;
  std::string software;
  std::string broker;
  std::string clock;
  std::uint64_t max_body = 0;
  std::uint64_t max_bundle = 0;
  std::uint64_t heartbeat_ms = 0;
  std::uint64_t default_timeout_us = 0;
  std::uint64_t max_timeout_us = 0;
};

struct MethodInfo {
  bool idempotent = false;
  bool pure = false;
  bool stream = false;
  bool cancel = false;                // takes CANCEL
  std::uint64_t timeout_us = 0;       // of requests that give none; 0: the broker's default
  std::uint64_t hard_timeout_us = 0;  // 0: none
  Priority priority = Priority::normal;
};

struct Ready {
  std::string service;
  std::map<std::string, MethodInfo, std::less<>> methods;
  std::uint32_t credit = 1;
  std::uint32_t concurrency = 1;
  std::uint64_t generation = 0;
  std::uint64_t pid = 0;
  std::string name;
  std::string supervisor;
  std::uint32_t brokers = 1;      // that it serves
  std::uint64_t uid = 0;          // of its process, the same to all of them; 0: it does not say
  std::string schema;             // msgpack of a map, or empty
  std::uint64_t schema_hash = 0;  // that the map says of itself
};

// How many brokers a worker serves now.
struct Brokers {
  std::uint32_t brokers = 1;
};

enum class PoolState : std::uint8_t { loading, serving, failed, stopping };
std::string_view to_word(PoolState state);

struct Pool {
  std::string service;
  PoolState state = PoolState::loading;
  std::uint64_t wanted = 0;
  std::uint64_t alive = 0;
  std::uint64_t restarts = 0;
  std::string reason;
  std::string detail;  // msgpack, or empty
};

struct Obituary {
  std::uint64_t worker_epoch = 0;
  std::optional<std::uint64_t> pid;
  std::optional<std::uint64_t> signal;
  std::optional<std::uint64_t> exit_code;
  std::string reason;
  std::string stderr_lines;
  std::optional<std::uint64_t> last_started;
  bool running = false;
  std::string stack;
  bool out_of_memory = false;
};

struct Command {
  std::uint64_t id = 0;
  std::string command;
  std::string args;  // msgpack of an array, or empty
};

struct CommandDone {
  std::uint64_t id = 0;
  bool ok = false;
  std::string message;
  std::string result;  // msgpack of a map, or empty
};

struct ProtocolError {
  std::string message;
  std::optional<std::uint64_t> got;
  std::vector<std::uint64_t> speaks;
  bool unauthorized = false;  // the connection's key does not allow what the message asked for
};

// REGISTER_AGAIN, DRAIN, DRAINED.
struct Notice {
  std::string reason;
  bool answer = false;  // DRAIN from the broker: it waits a little for DRAINED
};

// The map of an error reply.
struct ErrorValue {
  std::string message;
  std::string where;
  std::string type;
  std::string traceback;
  std::optional<std::uint64_t> retry_after_us;
  std::optional<std::uint64_t> pid;
  std::optional<std::uint64_t> signal;
  std::optional<std::uint64_t> exit_code;
  std::string stderr_lines;
  std::string stack;
};

// Each takes a whole message (head included) of its kind.
Malformed decode(std::string_view frame, PeerHello& out);
Malformed decode(std::string_view frame, BrokerHello& out);
Malformed decode(std::string_view frame, Ready& out);
Malformed decode(std::string_view frame, Brokers& out);
Malformed decode(std::string_view frame, Pool& out);
Malformed decode(std::string_view frame, Obituary& out);
Malformed decode(std::string_view frame, Command& out);
Malformed decode(std::string_view frame, CommandDone& out);
Malformed decode(std::string_view frame, ProtocolError& out);
Malformed decode(std::string_view frame, Notice& out);

std::string encode(std::uint64_t epoch, const PeerHello& in);
std::string encode(std::uint64_t epoch, const BrokerHello& in);
std::string encode(std::uint64_t epoch, const Ready& in);
std::string encode(std::uint64_t epoch, const Brokers& in);
std::string encode(std::uint64_t epoch, const Pool& in);
std::string encode(std::uint64_t epoch, const Obituary& in);
std::string encode(std::uint64_t epoch, const Command& in);
std::string encode(std::uint64_t epoch, const CommandDone& in);
std::string encode(std::uint64_t epoch, const ProtocolError& in);
std::string encode(Kind kind, std::uint64_t epoch, const Notice& in);

// The map alone, as the value of a reply item.
Malformed decode_error(std::string_view map, ErrorValue& out);
std::string encode_error(const ErrorValue& in);

}  // namespace samovar::proto
