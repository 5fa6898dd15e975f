// msgpack's standard timestamp (extension type -1) as std::chrono::system_clock::time_point.
#pragma once

#include <chrono>
#include <cstdint>
#include <msgpack.hpp>

namespace samovar::detail {

// Throws msgpack::type_error when `object` is no timestamp, or is outside of what a time_point holds.
std::chrono::system_clock::time_point to_time_point(const msgpack::object& object);

struct TimestampBytes {
  std::uint32_t size;  // 4, 8 or 12
  char data[12];
};
TimestampBytes to_timestamp(std::chrono::system_clock::time_point time);

}  // namespace samovar::detail

#ifdef MSGPACK_NO_BOOST  // with Boost, msgpack brings its own
namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <>
  struct convert<std::chrono::system_clock::time_point> {
    const msgpack::object& operator()(const msgpack::object& object,
                                      std::chrono::system_clock::time_point& time) const {
      time = samovar::detail::to_time_point(object);
      return object;
    }
  };

  template <>
  struct pack<std::chrono::system_clock::time_point> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& out,
                                        const std::chrono::system_clock::time_point& time) const {
      const auto bytes = samovar::detail::to_timestamp(time);
      out.pack_ext(bytes.size, -1);
      out.pack_ext_body(bytes.data, bytes.size);
      return out;
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
#endif
