// Msgpack bytes as a tree of msgpack::object, in memory that the caller provides: one allocation at most, where
// msgpack::unpack() has several. Nothing here throws or recurses.
#pragma once

#include <cstddef>
#include <msgpack.hpp>
#include <string_view>

namespace samovar::detail {

// Room for one object: memory that needs no construction.
struct alignas(msgpack::object) ObjectRoom {
  std::byte bytes[sizeof(msgpack::object)];
};

// How many objects the value has with which `bytes` begins: 0 when that is no whole msgpack value. `size` becomes the
// length of the value.
std::size_t count_objects(std::string_view bytes, std::size_t& size);

// Builds the tree of such a value in as many objects as were counted, and gives its root. Text and bytes point into
// `bytes`. nullptr when the value is nested more than limits::kMaxDepth deep.
const msgpack::object* build_objects(std::string_view bytes, ObjectRoom* room);

}  // namespace samovar::detail
