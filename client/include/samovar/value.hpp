// A result or an argument whose type is known only when the program runs.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <msgpack.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/detail/decode.hpp>
#include <samovar/detail/pack.hpp>
#include <samovar/error.hpp>

namespace samovar {

// An immutable tree of msgpack values. Copies, and values taken out of it, share it. Safe to read from several
// threads.
class Value {
 public:
  enum class Type : std::uint8_t {
    nil,
    boolean,
    integer,
    real,
    text,
    bytes,
    array,
    map,
    timestamp,
    extension,
  };

  Value() = default;  // nil

  // Anything that can be an argument of a call.
  template <typename T>
  static Value of(const T& value) {
    std::string bytes;
    detail::pack_value<detail::Packable<T>>(bytes, value);
    return parse(Buffer(std::move(bytes)));
  }
  // From one msgpack value. Throws std::invalid_argument when the bytes are not exactly that, or nested more than 64
  // deep. A value of up to 1 KiB is copied; a larger one shares the buffer's memory.
  static Value parse(Buffer msgpack);
  // A copy of an object that lives elsewhere.
  static Value copy(const msgpack::object& object);

  Type type() const;
  // The type for a message: "nil", "bool", "int", "float", "str", "bin", "array", "map", "timestamp", "ext".
  std::string_view type_word() const;

  bool is_nil() const { return type() == Type::nil; }
  bool is_text() const { return type() == Type::text; }
  bool is_bytes() const { return type() == Type::bytes; }
  bool is_array() const { return type() == Type::array; }
  bool is_map() const { return type() == Type::map; }

  // Elements of an array or entries of a map, bytes of text or bytes; 0 for anything else.
  std::size_t size() const;

  // An element of an array. Throws std::out_of_range when this is no array, or has no such element.
  template <std::integral Index>
  Value operator[](Index index) const {
    return at(static_cast<std::size_t>(index));
  }
  Value at(std::size_t index) const;
  // An entry of a map with text keys. Throws std::out_of_range when this is no map, or has no such key.
  Value operator[](std::string_view key) const { return at(key); }
  Value operator[](const char* key) const { return at(std::string_view(key)); }
  Value at(std::string_view key) const;
  bool contains(std::string_view key) const;
  // The entries of a map, in their order. Throws std::out_of_range when this is no map.
  std::vector<std::pair<Value, Value>> entries() const;

  // The bytes of text or bytes, alive as long as this value or a copy; empty for anything else.
  std::string_view raw() const;

  // Throws samovar::Error (bad_request) when the value does not fit T.
  template <typename T>
  T as() const {
    return detail::convert<T>(object(), nullptr);
  }

  // JSON. What JSON has no type for: bytes are {"$bytes": base64}, timestamps {"$timestamp": ISO 8601}, other
  // extensions {"$ext": [type, base64]}; keys that are no text become their JSON text; NaN and infinities are null.
  std::string to_json() const;

  // For everything else. Alive as long as this value or a copy.
  const msgpack::object& object() const { return *object_; }

 private:
  Value(std::shared_ptr<const void> tree, const msgpack::object* object)
      : tree_(std::move(tree)), object_(object) {}
  const msgpack::object* find(std::string_view key) const;

  static const msgpack::object kNil;
  std::shared_ptr<const void> tree_;  // keeps the objects alive
  const msgpack::object* object_ = &kNil;
};

std::ostream& operator<<(std::ostream& out, const Value& value);

}  // namespace samovar

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <>
  struct convert<samovar::Value> {
    const msgpack::object& operator()(const msgpack::object& object, samovar::Value& value) const {
      value = samovar::Value::copy(object);
      return object;
    }
  };

  template <>
  struct pack<samovar::Value> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& out, const samovar::Value& value) const {
      return out.pack(value.object());
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
