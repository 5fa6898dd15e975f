#include "proto/control.hpp"

#include <array>

#include "proto/control_map.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::proto {
namespace {

constexpr std::array kRoles{std::string_view{"client"}, std::string_view{"worker"},
                            std::string_view{"supervisor"}};
constexpr std::array kPoolStates{std::string_view{"loading"}, std::string_view{"serving"},
                                 std::string_view{"failed"}, std::string_view{"stopping"}};

// Cut between two characters: a str that is not UTF-8 cannot be decoded by every peer.
std::string_view clipped(std::string_view text) {
  if (text.size() <= limits::kMaxErrorText) return text;
  std::size_t end = limits::kMaxErrorText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

// The same from the other end, for what says most in its last lines.
std::string_view clipped_to_end(std::string_view text) {
  if (text.size() <= limits::kMaxErrorText) return text;
  std::size_t begin = text.size() - limits::kMaxErrorText;
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) ++begin;
  return text.substr(begin);
}

Malformed check_brokers(std::uint64_t brokers) {
  return brokers >= 1 && brokers <= limits::kMaxBrokers ? nullptr
                                                        : "the number of brokers is not between 1 and 16";
}

}  // namespace

std::string_view to_word(Role role) {
  return kRoles[static_cast<std::size_t>(role)];
}

std::string_view to_word(PoolState state) {
  return kPoolStates[static_cast<std::size_t>(state)];
}

Malformed decode(std::string_view frame, PeerHello& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map)
      .word("role", kRoles, out.role)
      .required("nonce", out.nonce)
      .field("name", out.name)
      .field("pid", out.pid)
      .field("clock", out.clock)
      .field("token", out.token)
      .verdict();
}

Malformed decode(std::string_view frame, BrokerHello& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map)
      .required("nonce", out.nonce)
      .field("software", out.software)
      .field("broker", out.broker)
      .field("clock", out.clock)
      .required("max_body", out.max_body)
      .required("max_bundle", out.max_bundle)
      .required("heartbeat_ms", out.heartbeat_ms)
      .required("default_timeout_us", out.default_timeout_us)
      .required("max_timeout_us", out.max_timeout_us)
      .verdict();
}

Malformed decode(std::string_view frame, Ready& out) {
  std::string_view map;
  std::uint64_t credit = 0;
  std::uint64_t concurrency = 1;
  std::uint64_t brokers = 1;
  if (auto why = decode_control(frame, map)) return why;
  MapReader reader(map);
  if (auto why = reader.required("service", out.service)
                     .required("methods", out.methods)
                     .required("credit", credit)
                     .field("concurrency", concurrency)
                     .field("generation", out.generation)
                     .field("pid", out.pid)
                     .field("name", out.name)
                     .field("supervisor", out.supervisor)
                     .field("brokers", brokers)
                     .field("uid", out.uid)
                     .raw("schema", msgpack::type::MAP, out.schema)
                     .verdict()) {
    return why;
  }
  if (const auto* schema = reader.find("schema")) {
    if (auto why = MapReader(*schema).required("hash", out.schema_hash).verdict()) return why;
  }
  if (!is_name(out.service))
    return "the service's name has other characters than letters, digits, '_', '-' and '.'";
  if (out.methods.empty()) return "the service has no methods";
  if (out.methods.size() > limits::kMaxMethods) return "the service has more than 1,024 methods";
  for (const auto& [name, method] : out.methods) {
    if (!is_name(name) || name.find('.') != std::string::npos) return "a method's name is not a name";
  }
  if (credit < 1 || credit > limits::kMaxCredit) return "credit is not between 1 and 256";
  if (concurrency < 1 || concurrency > limits::kMaxCredit) return "concurrency is not between 1 and 256";
  if (auto why = check_brokers(brokers)) return why;
  out.credit = static_cast<std::uint32_t>(credit);
  out.concurrency = static_cast<std::uint32_t>(concurrency);
  out.brokers = static_cast<std::uint32_t>(brokers);
  return nullptr;
}

Malformed decode(std::string_view frame, Brokers& out) {
  std::string_view map;
  std::uint64_t brokers = 1;
  if (auto why = decode_control(frame, map)) return why;
  if (auto why = MapReader(map).required("brokers", brokers).verdict()) return why;
  if (auto why = check_brokers(brokers)) return why;
  out.brokers = static_cast<std::uint32_t>(brokers);
  return nullptr;
}

Malformed decode(std::string_view frame, Pool& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  if (auto why = MapReader(map)
                     .required("service", out.service)
                     .word("state", kPoolStates, out.state)
                     .field("wanted", out.wanted)
                     .field("alive", out.alive)
                     .field("restarts", out.restarts)
                     .field("reason", out.reason)
                     .raw("detail", std::nullopt, out.detail)
                     .verdict()) {
    return why;
  }
  std::string_view whole;
  if (!out.detail.empty() && !Cursor(out.detail).skip(limits::kMaxDetailDepth, whole)) {
    return "detail is nested more than 32 levels deep";
  }
  return is_name(out.service)
             ? nullptr
             : "the service's name has other characters than letters, digits, '_', '-' and '.'";
}

Malformed decode(std::string_view frame, Obituary& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map)
      .required("worker_epoch", out.worker_epoch)
      .field("pid", out.pid)
      .field("signal", out.signal)
      .field("exit_code", out.exit_code)
      .field("reason", out.reason)
      .field("stderr", out.stderr_lines)
      .field("last_started", out.last_started)
      .field("running", out.running)
      .field("stack", out.stack)
      .field("out_of_memory", out.out_of_memory)
      .verdict();
}

Malformed decode(std::string_view frame, Command& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map)
      .required("id", out.id)
      .required("command", out.command)
      .raw("args", msgpack::type::ARRAY, out.args)
      .verdict();
}

Malformed decode(std::string_view frame, CommandDone& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  if (auto why = MapReader(map)
                     .required("id", out.id)
                     .required("ok", out.ok)
                     .field("message", out.message)
                     .raw("result", msgpack::type::MAP, out.result)
                     .verdict()) {
    return why;
  }
  std::string_view whole;
  return out.result.empty() || Cursor(out.result).skip(limits::kMaxDetailDepth, whole)
             ? nullptr
             : "result is nested more than 32 levels deep";
}

Malformed decode(std::string_view frame, ProtocolError& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map)
      .required("message", out.message)
      .field("got", out.got)
      .field("speaks", out.speaks)
      .field("unauthorized", out.unauthorized)
      .verdict();
}

Malformed decode(std::string_view frame, Notice& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map).field("reason", out.reason).field("answer", out.answer).verdict();
}

std::string encode(std::uint64_t epoch, const PeerHello& in) {
  return MapWriter()
      .field("role", to_word(in.role))
      .field("nonce", in.nonce)
      .field("name", in.name)
      .field("pid", in.pid)
      .field("clock", in.clock)
      .field("token", in.token)
      .message(Kind::hello, epoch);
}

std::string encode(std::uint64_t epoch, const BrokerHello& in) {
  return MapWriter()
      .field("nonce", in.nonce)
      .field("software", in.software)
      .field("broker", in.broker)
      .field("clock", in.clock)
      .field("max_body", in.max_body)
      .field("max_bundle", in.max_bundle)
      .field("heartbeat_ms", in.heartbeat_ms)
      .field("default_timeout_us", in.default_timeout_us)
      .field("max_timeout_us", in.max_timeout_us)
      .message(Kind::hello, epoch);
}

std::string encode(std::uint64_t epoch, const Ready& in) {
  std::string methods;
  append_map(methods, static_cast<std::uint32_t>(in.methods.size()));
  for (const auto& [name, method] : in.methods) {
    append_str(methods, name);
    MapWriter options;
    options.flag("idempotent", method.idempotent);
    if (method.pure) options.flag("pure", true);
    if (method.stream) options.flag("stream", true);
    if (method.cancel) options.flag("cancel", true);
    if (method.timeout_us > 0) options.field("timeout_us", method.timeout_us);
    if (method.hard_timeout_us > 0) options.field("hard_timeout_us", method.hard_timeout_us);
    if (method.priority != Priority::normal) {
      options.field("priority", static_cast<std::uint64_t>(method.priority));
    }
    methods += options.map();
  }
  return MapWriter()
      .field("service", in.service)
      .raw("methods", methods)
      .field("credit", std::uint64_t{in.credit})
      .field("concurrency", std::uint64_t{in.concurrency})
      .field("generation", in.generation)
      .field("pid", in.pid)
      .field("name", in.name)
      .field("supervisor", in.supervisor)
      .field("brokers", std::uint64_t{in.brokers})
      .field("uid", in.uid)
      .raw("schema", in.schema)
      .message(Kind::ready, epoch);
}

std::string encode(std::uint64_t epoch, const Brokers& in) {
  return MapWriter().field("brokers", std::uint64_t{in.brokers}).message(Kind::brokers, epoch);
}

std::string encode(std::uint64_t epoch, const Pool& in) {
  return MapWriter()
      .field("service", in.service)
      .field("state", to_word(in.state))
      .field("wanted", in.wanted)
      .field("alive", in.alive)
      .field("restarts", in.restarts)
      .field("reason", clipped(in.reason))
      .raw("detail", in.detail)
      .message(Kind::pool, epoch);
}

std::string encode(std::uint64_t epoch, const Obituary& in) {
  MapWriter map;
  map.field("worker_epoch", in.worker_epoch)
      .field("pid", in.pid)
      .field("signal", in.signal)
      .field("exit_code", in.exit_code)
      .field("reason", clipped(in.reason))
      .field("stderr", clipped_to_end(in.stderr_lines))
      .field("last_started", in.last_started)
      .flag("running", in.running)
      .field("stack", clipped_to_end(in.stack));
  if (in.out_of_memory) map.flag("out_of_memory", true);
  return map.message(Kind::obituary, epoch);
}

std::string encode(std::uint64_t epoch, const Command& in) {
  return MapWriter()
      .field("id", in.id)
      .field("command", in.command)
      .raw("args", in.args)
      .message(Kind::command, epoch);
}

std::string encode(std::uint64_t epoch, const CommandDone& in) {
  return MapWriter()
      .field("id", in.id)
      .flag("ok", in.ok)
      .field("message", clipped(in.message))
      .raw("result", in.result)
      .message(Kind::command_done, epoch);
}

std::string encode(std::uint64_t epoch, const ProtocolError& in) {
  MapWriter map;
  map.field("message", in.message.empty() ? std::string_view{"no message"} : clipped(in.message))
      .field("got", in.got);
  if (!in.speaks.empty()) {
    std::string versions;
    append_array(versions, static_cast<std::uint32_t>(in.speaks.size()));
    for (const auto version : in.speaks) append_uint(versions, version);
    map.raw("speaks", versions);
  }
  if (in.unauthorized) map.flag("unauthorized", true);
  return map.message(Kind::protocol_error, epoch);
}

std::string encode(Kind kind, std::uint64_t epoch, const Notice& in) {
  MapWriter map;
  map.field("reason", clipped(in.reason));
  if (in.answer) map.flag("answer", true);
  return map.message(kind, epoch);
}

Malformed decode_error(std::string_view map, ErrorValue& out) {
  std::string_view whole;
  if (!Cursor(map).skip(limits::kMaxDepth, whole) || whole.size() != map.size()) {
    return "the value of an error is cut off, nested too deeply, or not msgpack";
  }
  return MapReader(map)
      .required("message", out.message)
      .field("where", out.where)
      .field("type", out.type)
      .field("traceback", out.traceback)
      .field("retry_after_us", out.retry_after_us)
      .field("pid", out.pid)
      .field("signal", out.signal)
      .field("exit_code", out.exit_code)
      .field("stderr", out.stderr_lines)
      .field("stack", out.stack)
      .verdict();
}

std::string encode_error(const ErrorValue& in) {
  return MapWriter()
      .field("message", in.message.empty() ? std::string_view{"no message"} : clipped(in.message))
      .field("where", in.where)
      .field("type", in.type)
      .field("traceback", clipped_to_end(in.traceback))
      .field("retry_after_us", in.retry_after_us)
      .field("pid", in.pid)
      .field("signal", in.signal)
      .field("exit_code", in.exit_code)
      .field("stderr", clipped_to_end(in.stderr_lines))
      .field("stack", clipped_to_end(in.stack))
      .map();
}

}  // namespace samovar::proto
