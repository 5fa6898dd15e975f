#include "proto/control.hpp"

#include <array>
#include <msgpack.hpp>

#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::proto {
namespace {

constexpr std::array kRoles{std::string_view{"client"}, std::string_view{"worker"},
                            std::string_view{"supervisor"}};
constexpr std::array kPoolStates{std::string_view{"loading"}, std::string_view{"serving"},
                                 std::string_view{"failed"}, std::string_view{"stopping"}};

template <typename Enum, std::size_t N>
bool from_word(const std::array<std::string_view, N>& words, std::string_view word, Enum& out) {
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == word) {
      out = static_cast<Enum>(i);
      return true;
    }
  }
  return false;
}

// Reads a map key by key: field(name, target) in any order, then one verdict.
class MapReader {
 public:
  explicit MapReader(std::string_view map) {
    // Structure and depth have been checked by Cursor; this decodes into the zone.
    try {
      handle_ = msgpack::unpack(map.data(), map.size());
    } catch (const std::exception&) {
      why_ = "a control map cannot be decoded";
      return;
    }
    if (handle_->type != msgpack::type::MAP) why_ = "a control message does not hold a map";
  }

  template <typename T>
  MapReader& field(std::string_view key, T& target) {
    if (const auto* value = find(key)) take(*value, target);
    return *this;
  }

  template <typename T>
  MapReader& required(std::string_view key, T& target) {
    if (const auto* value = find(key)) {
      take(*value, target);
    } else if (!why_) {
      why_ = "a required key is missing from a control message";
    }
    return *this;
  }

  template <typename Enum, std::size_t N>
  MapReader& word(std::string_view key, const std::array<std::string_view, N>& words, Enum& target) {
    std::string text;
    required(key, text);
    if (!why_ && !from_word(words, text, target))
      why_ = "a word of a control message is not one that is known";
    return *this;
  }

  // The value of a key: the last one, as in every decoder that builds a dictionary. A nil counts as absent.
  const msgpack::object* find(std::string_view key) const {
    if (why_) return nullptr;
    const auto& map = handle_->via.map;
    for (std::uint32_t i = map.size; i-- > 0;) {
      const auto& k = map.ptr[i].key;
      if (k.type == msgpack::type::STR && std::string_view(k.via.str.ptr, k.via.str.size) == key) {
        return map.ptr[i].val.is_nil() ? nullptr : &map.ptr[i].val;
      }
    }
    return nullptr;
  }

  Malformed verdict() const { return why_; }

 private:
  void wrong_type() { why_ = "a value of a control message has the wrong type"; }

  void take(const msgpack::object& value, std::string& target) {
    if (value.type != msgpack::type::STR) return wrong_type();
    target.assign(value.via.str.ptr, value.via.str.size);
  }
  void take(const msgpack::object& value, std::uint64_t& target) {
    if (value.type != msgpack::type::POSITIVE_INTEGER || value.via.u64 > limits::kMaxPrefixInteger) {
      return wrong_type();
    }
    target = value.via.u64;
  }
  void take(const msgpack::object& value, bool& target) {
    if (value.type != msgpack::type::BOOLEAN) return wrong_type();
    target = value.via.boolean;
  }
  void take(const msgpack::object& value, std::optional<std::uint64_t>& target) {
    take(value, target.emplace());
  }
  void take(const msgpack::object& value, std::vector<std::uint64_t>& target) {
    if (value.type != msgpack::type::ARRAY) return wrong_type();
    for (std::uint32_t i = 0; i < value.via.array.size; ++i)
      take(value.via.array.ptr[i], target.emplace_back());
  }
  void take(const msgpack::object& value, std::map<std::string, MethodInfo, std::less<>>& target) {
    if (value.type != msgpack::type::MAP) return wrong_type();
    for (std::uint32_t i = 0; i < value.via.map.size; ++i) {
      const auto& entry = value.via.map.ptr[i];
      std::string name;
      MethodInfo method;
      take(entry.key, name);
      if (entry.val.type != msgpack::type::MAP) return wrong_type();
      for (std::uint32_t j = 0; j < entry.val.via.map.size; ++j) {
        const auto& option = entry.val.via.map.ptr[j];
        std::string key;
        take(option.key, key);
        if (key == "idempotent" && !option.val.is_nil()) take(option.val, method.idempotent);
      }
      target.emplace(std::move(name), method);
    }
  }

  msgpack::object_handle handle_;
  Malformed why_ = nullptr;
};

// Writes a map of those keys that have a value: each value is encoded at once, the count comes first at the end.
class MapWriter {
 public:
  MapWriter& field(std::string_view key, std::string_view text) {
    if (text.empty()) return *this;
    return open(key), append_str(entries_, text), *this;
  }
  MapWriter& field(std::string_view key, std::uint64_t number) {
    return open(key), append_uint(entries_, number), *this;
  }
  MapWriter& field(std::string_view key, const std::optional<std::uint64_t>& number) {
    return number ? field(key, *number) : *this;
  }
  MapWriter& flag(std::string_view key, bool value) {
    return open(key), entries_.push_back(value ? '\xc3' : '\xc2'), *this;
  }
  MapWriter& raw(std::string_view key, std::string_view msgpack) {
    return open(key), entries_.append(msgpack), *this;
  }

  std::string map() const {
    std::string out;
    append_map(out, count_);
    return out + entries_;
  }

  std::string message(Kind kind, std::uint64_t epoch) const {
    std::string out{'\x94'};
    append_uint(out, kVersion);
    append_uint(out, static_cast<std::uint64_t>(kind));
    append_uint(out, epoch);
    return out + map();
  }

 private:
  void open(std::string_view key) {
    append_str(entries_, key);
    ++count_;
  }

  std::string entries_;
  std::uint32_t count_ = 0;
};

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
  if (auto why = decode_control(frame, map)) return why;
  if (auto why = MapReader(map)
                     .required("service", out.service)
                     .required("methods", out.methods)
                     .required("credit", credit)
                     .field("pid", out.pid)
                     .field("name", out.name)
                     .field("supervisor", out.supervisor)
                     .verdict()) {
    return why;
  }
  if (!is_name(out.service))
    return "the service's name has other characters than letters, digits, '_', '-' and '.'";
  if (out.methods.empty()) return "the service has no methods";
  if (out.methods.size() > limits::kMaxMethods) return "the service has more than 1,024 methods";
  for (const auto& [name, method] : out.methods) {
    if (!is_name(name) || name.find('.') != std::string::npos) return "a method's name is not a name";
  }
  if (credit < 1 || credit > limits::kMaxCredit) return "credit is not between 1 and 256";
  out.credit = static_cast<std::uint32_t>(credit);
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
                     .verdict()) {
    return why;
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
      .verdict();
}

Malformed decode(std::string_view frame, ProtocolError& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map)
      .required("message", out.message)
      .field("got", out.got)
      .field("speaks", out.speaks)
      .verdict();
}

Malformed decode(std::string_view frame, Notice& out) {
  std::string_view map;
  if (auto why = decode_control(frame, map)) return why;
  return MapReader(map).field("reason", out.reason).verdict();
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
    methods += MapWriter().flag("idempotent", method.idempotent).map();
  }
  return MapWriter()
      .field("service", in.service)
      .raw("methods", methods)
      .field("credit", std::uint64_t{in.credit})
      .field("pid", in.pid)
      .field("name", in.name)
      .field("supervisor", in.supervisor)
      .message(Kind::ready, epoch);
}

std::string encode(std::uint64_t epoch, const Pool& in) {
  return MapWriter()
      .field("service", in.service)
      .field("state", to_word(in.state))
      .field("wanted", in.wanted)
      .field("alive", in.alive)
      .field("restarts", in.restarts)
      .field("reason", clipped(in.reason))
      .message(Kind::pool, epoch);
}

std::string encode(std::uint64_t epoch, const Obituary& in) {
  return MapWriter()
      .field("worker_epoch", in.worker_epoch)
      .field("pid", in.pid)
      .field("signal", in.signal)
      .field("exit_code", in.exit_code)
      .field("reason", clipped(in.reason))
      .field("stderr", clipped_to_end(in.stderr_lines))
      .field("last_started", in.last_started)
      .flag("running", in.running)
      .message(Kind::obituary, epoch);
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
  return map.message(Kind::protocol_error, epoch);
}

std::string encode(Kind kind, std::uint64_t epoch, const Notice& in) {
  return MapWriter().field("reason", clipped(in.reason)).message(kind, epoch);
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
      .map();
}

}  // namespace samovar::proto
