#include <algorithm>
#include <samovar/array.hpp>
#include <stdexcept>

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
  std::size_t attachment = 0;
  std::string got;
  try {
    const auto handle = msgpack::unpack(object.via.ext.data(), object.via.ext.size);
    msgpack::type::make_define_array(attachment, got, shape).msgpack_unpack(handle.get());
  } catch (const msgpack::unpack_error&) {
    throw msgpack::type_error();
  }
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
