// Maps of what the broker shows of itself, key by key.
#pragma once

#include <msgpack.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace samovar::broker {

using Packer = msgpack::packer<msgpack::sbuffer>;

template <typename Value>
void entry(Packer& packer, std::string_view key, const Value& value) {
  packer.pack(key);
  packer.pack(value);
}

template <typename Value>
void entry(Packer& packer, std::string_view key, const std::optional<Value>& value) {
  packer.pack(key);
  value ? packer.pack(*value) : packer.pack_nil();
}

// `msgpack` is one whole value; nil when it is empty.
inline void raw_entry(msgpack::sbuffer& buffer, Packer& packer, std::string_view key,
                      std::string_view msgpack) {
  packer.pack(key);
  msgpack.empty() ? static_cast<void>(packer.pack_nil()) : buffer.write(msgpack.data(), msgpack.size());
}

}  // namespace samovar::broker
