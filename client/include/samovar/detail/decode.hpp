// From msgpack to the type that the caller asked for. Not for users.
#pragma once

#include <cstddef>
#include <msgpack.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include <samovar/buffer.hpp>
#include <samovar/detail/attachments.hpp>
#include <samovar/detail/outcome.hpp>
#include <samovar/timestamp.hpp>

namespace samovar::detail {

// Types that would point into memory that is gone once the result has been decoded.
template <typename T>
inline constexpr bool borrows =
    std::is_pointer_v<T> || std::is_same_v<T, std::string_view> || std::is_same_v<T, msgpack::object> ||
    std::is_same_v<T, msgpack::type::raw_ref>;
template <typename T, std::size_t N>
inline constexpr bool borrows<std::span<T, N>> = true;

// The value with which `bytes` begins, in the zone; `end` becomes its length. Text and bytes point into `bytes` where it
// shares, else they are copied. Throws msgpack::unpack_error when it is no msgpack, or nested more than 64 deep.
msgpack::object unpack(msgpack::zone& zone, std::string_view bytes, std::size_t& end, bool shares);

// One value, decoded; strings point into `bytes`. Throws std::runtime_error when it is no msgpack.
class Unpacked {
 public:
  explicit Unpacked(std::string_view bytes);
  const msgpack::object& object() const { return object_; }

 private:
  msgpack::zone zone_;
  msgpack::object object_;
};

// Throws samovar::Error, bad_request; `reply` may be null.
[[noreturn]] void throw_misfit(const Reply* reply, const std::type_info& wanted, const msgpack::object& got);

template <typename T>
T convert(const msgpack::object& object, const Reply* reply) {
  static_assert(!borrows<T>, "ask for a type that owns its content, such as std::string or samovar::Value");
  // An array's elements are among the attachments. Without a reply, among those of whoever calls.
  const ReadingAttachments scope(reply == nullptr ? reading : &reply->outcome.attachments);
  try {
    if constexpr (std::is_same_v<T, Buffer>) {
      return Buffer(object.as<std::string>());
    } else {
      return object.as<T>();
    }
  } catch (const msgpack::type_error&) {
    throw_misfit(reply, typeid(T), object);
  }
}

}  // namespace samovar::detail
