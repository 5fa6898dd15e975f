// Turns the arguments of a call expression into msgpack and settings. Not for users. Kept small, since it is
// compiled again for every signature: what needs no types is in client/request.cpp.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <msgpack.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/detail/attachments.hpp>
#include <samovar/options.hpp>
#include <samovar/timestamp.hpp>

namespace samovar::detail {

// What a call expression says. `body` is args and kwargs, one after the other.
struct Request {
  std::string body;
  std::vector<Buffer> attachments;
  std::optional<std::chrono::microseconds> timeout;
  std::optional<RetryPolicy> retry;  // empty: the client's
  std::optional<std::chrono::microseconds> hedge_after;
  std::optional<Priority> priority;  // empty: what the method declares
  bool idempotent = false;
  bool metadata = false;
  bool replay = false;
  bool stream = false;
  std::string traceparent;                   // empty: none
  std::string_view affinity;                 // likewise; borrowed until the call is prepared
  const Schema* schema = nullptr;            // that the caller was built against
  std::uint32_t window = 16;                 // of a stream
  std::shared_ptr<const Executor> executor;  // of a coroutine
};

// What a client's options say for calls that do not.
struct Defaults {
  std::optional<std::chrono::microseconds> timeout;
  RetryPolicy retry;
};

// The stream that msgpack::packer writes to.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void write(const char* data, std::size_t size) { out_.append(data, size); }
  // A float of 4 or 8 bytes.
  void real(double value, int bytes);

 private:
  std::string& out_;
};

}  // namespace samovar::detail

// msgpack packs 1.0 as the integer 1, which a Python handler would see as an int: floats stay floats here, wherever
// in an argument they stand.
namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(v1) {
  template <>
  inline packer<samovar::detail::Writer>& packer<samovar::detail::Writer>::pack_double(double value) {
    m_stream.real(value, 8);
    return *this;
  }
  template <>
  inline packer<samovar::detail::Writer>& packer<samovar::detail::Writer>::pack_float(float value) {
    m_stream.real(value, 4);
    return *this;
  }
}
}  // namespace msgpack

namespace samovar::detail {

template <typename T>
inline constexpr bool is_keyword = false;
template <typename T>
inline constexpr bool is_keyword<Keyword<T>> = true;

// A struct of std::optional members, each a keyword argument that is left out where it has no value: in generated stubs.
// Its samovar_keywords() gives a tuple of (name, pointer to member).
template <typename T>
concept KeywordGroup = requires {
  T::samovar_keywords();
};

template <typename T, typename... Known>
inline constexpr bool is_one_of = (std::same_as<T, Known> || ...);

template <typename T>
inline constexpr bool is_setting =
    is_one_of<T, Timeout, Idempotent, RetryPolicy, Hedge, WantMetadata, Replay, Window, Priority, ResumeOn,
              BuiltAgainst, TraceParent, Affinity, Attachment, std::vector<Attachment>>;

template <typename T>
inline constexpr bool is_positional =
    !is_keyword<T> && !KeywordGroup<T> && !is_setting<T> && !std::same_as<T, Packed>;

template <typename T>
concept ByteSpan = std::same_as<T, std::span<std::byte>> || std::same_as<T, std::span<const std::byte>> ||
    std::same_as<T, std::span<std::uint8_t>> || std::same_as<T, std::span<const std::uint8_t>> ||
    std::same_as<T, std::span<char>> || std::same_as<T, std::span<const char>>;

// What a value is packed as: a string literal as the pointer that it decays to, anything else as itself.
template <typename T>
using Packable =
    std::conditional_t<std::is_array_v<T> && std::same_as<std::remove_cv_t<std::remove_extent_t<T>>, char>,
                       const char*, T>;

void pack_bytes(std::string& out, std::string_view bytes);

template <typename T>
void pack_value(std::string& out, const T& value) {
  Writer writer(out);
  msgpack::packer<Writer> packer(writer);
  if constexpr (std::same_as<T, Bytes>) {
    pack_bytes(out, value.bytes);
  } else if constexpr (std::same_as<T, Buffer>) {
    pack_bytes(out, value.bytes());
  } else if constexpr (ByteSpan<T>) {
    pack_bytes(out, {reinterpret_cast<const char*>(value.data()), value.size()});
  } else if constexpr (std::same_as<T, std::nullptr_t> || std::same_as<T, std::nullopt_t>) {
    packer.pack_nil();
  } else {
    packer.pack(value);
  }
}

inline void apply(Request& request, Timeout option) {
  request.timeout = option.value;
}
inline void apply(Request& request, Idempotent option) {
  request.idempotent = option.on;
}
inline void apply(Request& request, RetryPolicy option) {
  request.retry = option;
}
inline void apply(Request& request, Hedge option) {
  request.hedge_after = option.after;
}
inline void apply(Request& request, WantMetadata option) {
  request.metadata = option.on;
}
inline void apply(Request& request, Replay option) {
  request.replay = option.on;
}
inline void apply(Request& request, Window option) {
  request.window = option.items;
}
inline void apply(Request& request, TraceParent option) {
  request.traceparent = option.value;
}
inline void apply(Request& request, Affinity option) {
  request.affinity = option.key;
}
inline void apply(Request& request, BuiltAgainst option) {
  request.schema = option.schema;
}
inline void apply(Request& request, Priority option) {
  request.priority = option;
}
inline void apply(Request& request, const ResumeOn& option) {
  request.executor = option.executor;
}
inline void apply(Request& request, const Attachment& option) {
  request.attachments.push_back(option.buffer);
}

inline void apply(Request& request, const std::vector<Attachment>& option) {
  for (const auto& attachment : option) request.attachments.push_back(attachment.buffer);
}

void pack_array_head(std::string& out, std::size_t size);
// An empty map is nil.
void pack_map_head(std::string& out, std::size_t size);
void pack_packed(std::string& out, const Packed& packed);

template <typename T>
void pack_positional(Request& request, const T& argument) {
  if constexpr (is_positional<T>) pack_value<Packable<T>>(request.body, argument);
}

template <typename T>
void pack_keyword(Request& request, const T& argument) {
  if constexpr (is_keyword<T>) {
    pack_value(request.body, argument.name);
    pack_value<Packable<std::remove_cvref_t<decltype(argument.value)>>>(request.body, argument.value);
  } else if constexpr (KeywordGroup<T>) {
    const auto pack = [&](const auto& keyword) {
      if (const auto& value = argument.*keyword.second) {
        pack_value(request.body, std::string_view(keyword.first));
        pack_value(request.body, *value);
      }
    };
    std::apply([&](const auto&... keywords) { (pack(keywords), ...); }, T::samovar_keywords());
  }
}

template <typename T>
std::size_t count_keyword(const T& argument) {
  if constexpr (KeywordGroup<T>) {
    return std::apply(
        [&](const auto&... keywords) {
          return (std::size_t{0} + ... + std::size_t{(argument.*keywords.second).has_value()});
        },
        T::samovar_keywords());
  } else {
    return is_keyword<T> ? 1 : 0;
  }
}

template <typename T>
void apply_setting(Request& request, const T& argument) {
  if constexpr (is_setting<T>) apply(request, argument);
}

template <typename... Args>
Request pack_request(const Args&... args) {
  Request request;
  const PackingAttachments scope(&request.attachments);
  constexpr std::size_t packed = (std::size_t{0} + ... + (std::same_as<Args, Packed> ? 1 : 0));
  constexpr std::size_t positional = (std::size_t{0} + ... + (is_positional<Args> ? 1 : 0));
  constexpr std::size_t keywords = (std::size_t{0} + ... + (is_keyword<Args> || KeywordGroup<Args> ? 1 : 0));
  static_assert(packed == 0 || (packed == 1 && positional == 0 && keywords == 0),
                "samovar::packed holds all arguments of a call: no others may stand beside it");
  if constexpr (packed == 1) {
    const auto take = [&](const auto& arg) {
      if constexpr (std::same_as<std::remove_cvref_t<decltype(arg)>, Packed>) pack_packed(request.body, arg);
    };
    (take(args), ...);
  } else {
    pack_array_head(request.body, positional);
    (pack_positional(request, args), ...);
    pack_map_head(request.body, (std::size_t{0} + ... + count_keyword(args)));
    (pack_keyword(request, args), ...);
  }
  (apply_setting(request, args), ...);
  return request;
}

}  // namespace samovar::detail
