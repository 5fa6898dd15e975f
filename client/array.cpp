#include <algorithm>
#include <samovar/array.hpp>
#include <stdexcept>

#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::detail {
namespace {

constexpr std::size_t kMaxDimensions = 32;  // numpy's

// False when it is more than `most`.
bool count_elements(const Shape& shape, std::size_t most, std::size_t& count) {
  count = 1;
  if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) {
    count = 0;
    return true;
  }
  for (const std::size_t length : shape) {
    if (length > most / count) return false;
    count *= length;
  }
  return true;
}

bool read_number(proto::Cursor& cursor, std::uint64_t& number) {
  return cursor.read_uint(number) && number <= limits::kMaxPrefixInteger;
}

// [attachment, dtype, shape], and nothing else. No memory for a claim of more dimensions than there may be.
bool read_description(std::string_view bytes, std::uint64_t& attachment, std::string_view& dtype,
                      Shape& shape) {
  proto::Cursor cursor(bytes);
  std::uint32_t elements = 0;
  std::uint32_t dimensions = 0;
  if (!cursor.read_array(elements) || elements != 3 || !read_number(cursor, attachment) ||
      !cursor.read_str(dtype) || !cursor.read_array(dimensions) || dimensions > kMaxDimensions) {
    return false;
  }
  shape.assign(dimensions, 0);
  for (auto& length : shape) {
    std::uint64_t number = 0;
    if (!read_number(cursor, number)) return false;
    length = number;
  }
  return cursor.at_end();
}

}  // namespace

void check_shape(const Shape& shape, std::size_t elements) {
  std::size_t count = 0;
  if (shape.size() > kMaxDimensions) {
    throw std::invalid_argument("samovar::Array: more than " + std::to_string(kMaxDimensions) +
                                " dimensions");
  }
  if (!count_elements(shape, elements, count) || count != elements) {
    throw std::invalid_argument("samovar::Array: the shape is not that of " + std::to_string(elements) +
                                " elements");
  }
}

std::size_t attach(Buffer buffer) {
  if (packing == nullptr) {
    throw std::logic_error("samovar::Array: can be packed only as an argument of a call, or inside one");
  }
  packing->push_back(std::move(buffer));
  return packing->size() - 1;
}

std::string encode_array(std::size_t attachment, std::string_view dtype, const Shape& shape) {
  msgpack::sbuffer out;
  msgpack::packer<msgpack::sbuffer> packer(out);
  packer.pack_array(3);
  packer.pack(attachment);
  packer.pack(dtype);
  packer.pack(shape);
  return {out.data(), out.size()};
}

Buffer decode_array(const msgpack::object& object, const std::vector<Buffer>* attachments,
                    std::string_view dtype, std::size_t element_size, Shape& shape) {
  if (object.type != msgpack::type::EXT || object.via.ext.type() != kArrayExt) throw msgpack::type_error();
  std::uint64_t attachment = 0;
  std::string_view got;
  if (!read_description({object.via.ext.data(), object.via.ext.size}, attachment, got, shape))
    throw msgpack::type_error();
  if (attachments == nullptr || attachment >= attachments->size() || got != dtype)
    throw msgpack::type_error();
  const Buffer& buffer = (*attachments)[attachment];
  std::size_t count = 0;
  if (!count_elements(shape, buffer.size(), count) || buffer.size() % element_size != 0 ||
      count != buffer.size() / element_size) {
    throw msgpack::type_error();
  }
  return buffer;
}

}  // namespace samovar::detail
