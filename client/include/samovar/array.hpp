// Arrays of numbers, numpy.ndarray in Python: as arguments, results, or anywhere inside one.
//
//   samovar::Array<float> image(std::move(pixels), {height, width});
//   auto blurred = client.call<samovar::Array<float>>("image.blur", image, 2.0);
//   for (float pixel : blurred.elements()) ...
//
// The elements travel as an attachment, beside the call: neither side encodes or copies them into it.
#pragma once

#include <bit>
#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <msgpack.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <samovar/buffer.hpp>
#include <samovar/detail/attachments.hpp>
#include <samovar/value.hpp>

namespace samovar {

template <typename T>
inline constexpr bool is_complex =
    std::same_as<T, std::complex<float>> || std::same_as<T, std::complex<double>>;

// What an array may hold: bool, integers of 8 to 64 bits, float, double, complex numbers of these.
template <typename T>
concept Element =
    !std::is_const_v<T> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
    (std::integral<T> || std::same_as<T, float> || std::same_as<T, double> || is_complex<T>)&&sizeof(T) <= 16;

using Shape = std::vector<std::size_t>;

namespace detail {

// numpy's name of an element's type on this machine, such as "<f8".
template <Element T>
std::string dtype_of() {
  constexpr char order = sizeof(T) == 1 ? '|' : std::endian::native == std::endian::little ? '<' : '>';
  constexpr char kind = std::same_as<T, bool>    ? 'b'
                        : is_complex<T>          ? 'c'
                        : std::floating_point<T> ? 'f'
                        : std::is_signed_v<T>    ? 'i'
                                                 : 'u';
  return std::string{order, kind} + std::to_string(sizeof(T));
}

// Throws std::invalid_argument when an array of this shape has not so many elements.
void check_shape(const Shape& shape, std::size_t elements);

// What stands for an array in a body: [attachment, dtype, shape].
std::string encode_array(std::size_t attachment, std::string_view dtype, const Shape& shape);
// The elements of the array that `object` stands for, and its shape. Throws msgpack::type_error when it is none, has
// another dtype, or when `attachments` does not hold it.
Buffer decode_array(const msgpack::object& object, const std::vector<Buffer>* attachments,
                    std::string_view dtype, std::size_t element_size, Shape& shape);

}  // namespace detail

// An array in C order, immutable. Copies share the elements. Safe to read from several threads.
template <Element T>
class Array {
 public:
  Array() = default;  // one dimension, no elements

  // Takes the elements over, without a copy. Throws std::invalid_argument when the shape is not that of so many
  // elements. Without a shape it has one dimension.
  explicit Array(std::vector<T>&& elements) requires(!std::same_as<T, bool>)
      : Array(std::move(elements), Shape{elements.size()}) {}
  Array(std::vector<T>&& elements, Shape shape) requires(!std::same_as<T, bool>) : shape_(std::move(shape)) {
    detail::check_shape(shape_, elements.size());
    auto owner = std::make_shared<const std::vector<T>>(std::move(elements));
    elements_ = *owner;
    owner_ = std::move(owner);
  }
  // Copies the elements.
  explicit Array(std::span<const T> elements) : Array(elements, Shape{elements.size()}) {}
  Array(std::span<const T> elements, Shape shape) : shape_(std::move(shape)) {
    detail::check_shape(shape_, elements.size());
    copy(elements.data(), elements.size());
  }

  // The array that `value` stands for, whose elements are among these attachments of the result that it is part of. For
  // results of a type that is known only when the program runs. Throws samovar::Error (bad_request).
  static Array from(const Value& value, const std::vector<Buffer>& attachments) {
    const detail::ReadingAttachments scope(&attachments);
    return value.as<Array>();
  }

  const Shape& shape() const { return shape_; }
  std::span<const T> elements() const { return elements_; }
  const T* data() const { return elements_.data(); }
  std::size_t size() const { return elements_.size(); }  // of all dimensions
  const T& operator[](std::size_t index) const { return elements_[index]; }
  // The element at these indexes, one for each dimension, which are not checked.
  template <std::integral... Index>
  const T& operator()(Index... indexes) const {
    std::size_t at = 0;
    std::size_t dimension = 0;
    ((at = at * shape_[dimension++] + static_cast<std::size_t>(indexes)), ...);
    return elements_[at];
  }

  // The elements as bytes.
  Buffer buffer() const {
    return {owner_, {reinterpret_cast<const char*>(elements_.data()), elements_.size_bytes()}};
  }

  // For msgpack: see below.
  static Array decode(const msgpack::object& object) {
    Array array;
    const Buffer bytes =
        detail::decode_array(object, detail::reading, detail::dtype_of<T>(), sizeof(T), array.shape_);
    array.take(bytes);
    return array;
  }

 private:
  void copy(const void* from, std::size_t count) {
    std::shared_ptr<T[]> owner(new T[count]);
    std::memcpy(static_cast<void*>(owner.get()), from, count * sizeof(T));
    elements_ = {owner.get(), count};
    owner_ = std::move(owner);
  }
  // Shares the memory of a received message, unless the elements are not aligned there.
  void take(const Buffer& bytes) {
    const std::size_t count = bytes.size() / sizeof(T);
    if (count == 0) return;
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) != 0) return copy(bytes.data(), count);
    auto owner = std::make_shared<const Buffer>(bytes);
    elements_ = {reinterpret_cast<const T*>(owner->data()), count};
    owner_ = std::move(owner);
  }

  Shape shape_{0};
  std::span<const T> elements_;
  std::shared_ptr<const void> owner_;
};

}  // namespace samovar

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <typename T>
  struct convert<samovar::Array<T>> {
    const msgpack::object& operator()(const msgpack::object& object, samovar::Array<T>& array) const {
      array = samovar::Array<T>::decode(object);
      return object;
    }
  };

  // Only among the arguments of a call: throws std::logic_error elsewhere.
  template <typename T>
  struct pack<samovar::Array<T>> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& out, const samovar::Array<T>& array) const {
      const std::size_t attachment = samovar::detail::attach(array.buffer());
      const auto body =
          samovar::detail::encode_array(attachment, samovar::detail::dtype_of<T>(), array.shape());
      out.pack_ext(body.size(), samovar::detail::kArrayExt);
      out.pack_ext_body(body.data(), static_cast<std::uint32_t>(body.size()));
      return out;
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
