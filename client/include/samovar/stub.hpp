// What generated stubs are made with (samovar stubgen, docs/stubs.md): structs and enums of a schema as msgpack.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <msgpack.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include <samovar/array.hpp>
#include <samovar/client.hpp>
#include <samovar/coroutine.hpp>

namespace samovar {

// What may stand behind the arguments of a stub's method: an option of options.hpp, or its struct of optional arguments.
template <typename T, typename Optional = void>
concept StubOption = detail::is_setting<T> || std::same_as<T, Optional>;

// A member of a struct, by its name in the schema. One that is not required may be missing, or nil, and keeps the value
// that it has; where it is a std::optional without a value, it is left out.
template <typename Struct, typename Member>
struct Field {
  std::string_view name;
  Member Struct::*member;
  bool required;
};
template <typename Struct, typename Member>
constexpr Field<Struct, Member> field(std::string_view name, Member Struct::*member, bool required = true) {
  return {name, member, required};
}

// The values of an enum in the schema, in the order of its members. Specialized by stubs.
template <typename Enum>
struct EnumValues;

namespace detail {

template <typename T>
concept StubStruct = requires {
  T::samovar_fields();
};

template <typename T>
concept StubEnum = std::is_enum_v<T> && requires {
  EnumValues<T>::values.size();
};

template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;

const msgpack::object* find_field(const msgpack::object& map, std::string_view name);

template <typename Struct, typename Member>
void read_field(const msgpack::object& map, Struct& to, const Field<Struct, Member>& field) {
  const msgpack::object* value = find_field(map, field.name);
  if (value && (field.required || !value->is_nil())) {
    value->convert(to.*field.member);
  } else if (field.required) {
    throw msgpack::type_error();
  }
}

template <typename Struct, typename Member>
bool is_present(const Struct& from, const Field<Struct, Member>& field) {
  if constexpr (is_optional<Member>) return field.required || (from.*field.member).has_value();
  return true;
}

template <typename Stream, typename Struct, typename Member>
void write_field(msgpack::packer<Stream>& out, const Struct& from, const Field<Struct, Member>& field) {
  if (!is_present(from, field)) return;
  out.pack(field.name);
  out.pack(from.*field.member);
}

}  // namespace detail
}  // namespace samovar

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <typename T>
  struct convert<T, std::enable_if_t<samovar::detail::StubStruct<T>>> {
    const msgpack::object& operator()(const msgpack::object& object, T& value) const {
      if (object.type != msgpack::type::MAP) throw msgpack::type_error();
      std::apply([&](const auto&... fields) { (samovar::detail::read_field(object, value, fields), ...); },
                 T::samovar_fields());
      return object;
    }
  };

  template <typename T>
  struct pack<T, std::enable_if_t<samovar::detail::StubStruct<T>>> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& out, const T& value) const {
      std::apply(
          [&](const auto&... fields) {
            out.pack_map(
                (std::uint32_t{0} + ... + std::uint32_t{samovar::detail::is_present(value, fields)}));
            (samovar::detail::write_field(out, value, fields), ...);
          },
          T::samovar_fields());
      return out;
    }
  };

  template <typename T>
  struct convert<T, std::enable_if_t<samovar::detail::StubEnum<T>>> {
    const msgpack::object& operator()(const msgpack::object& object, T& value) const {
      constexpr auto& values = samovar::EnumValues<T>::values;
      const auto got = object.as<std::remove_cvref_t<decltype(values[0])>>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i] == got) return value = static_cast<T>(i), object;
      }
      throw msgpack::type_error();
    }
  };

  template <typename T>
  struct pack<T, std::enable_if_t<samovar::detail::StubEnum<T>>> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& out, const T& value) const {
      return out.pack(samovar::EnumValues<T>::values.at(static_cast<std::size_t>(value)));
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
