#include <samovar/stub.hpp>

namespace samovar::detail {

const msgpack::object* find_field(const msgpack::object& map, std::string_view name) {
  for (std::uint32_t i = map.via.map.size; i-- > 0;) {
    const auto& entry = map.via.map.ptr[i];
    if (entry.key.type == msgpack::type::STR &&
        std::string_view(entry.key.via.str.ptr, entry.key.via.str.size) == name) {
      return &entry.val;
    }
  }
  return nullptr;
}

}  // namespace samovar::detail
