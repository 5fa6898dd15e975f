#include <cxxabi.h>
#include <cstdlib>
#include <memory>
#include <samovar/detail/decode.hpp>
#include <samovar/error.hpp>
#include <samovar/value.hpp>
#include <stdexcept>

#include "proto/limits.hpp"

namespace samovar::detail {
namespace {

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// Where the template argument list that is open at `at` ends: the position of its ',' or '>' on this level.
std::size_t end_of_argument(const std::string& text, std::size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '<') ++depth;
    if (text[at] == '>' && depth-- == 0) return at;
    if (text[at] == ',' && depth == 0) return at;
  }
  return at;
}

// A type as a person writes it: without allocators, hashes and comparisons that are the default.
std::string name_of(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string name = status == 0 ? demangled.get() : type.name();
  replace_all(name, "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
              "std::string");
  for (const std::string_view noise :
       {", std::allocator<", ", std::less<", ", std::hash<", ", std::equal_to<"}) {
    for (auto at = name.find(noise); at != std::string::npos; at = name.find(noise, at)) {
      name.erase(at, end_of_argument(name, at + 2) - at);
    }
  }
  replace_all(name, " >", ">");
  return name;
}

std::string describe_array(const msgpack::object& object) {
  try {
    const auto description = Value::parse(Buffer(std::string(object.via.ext.data(), object.via.ext.size)));
    return "a samovar::Array, [attachment, dtype, shape] = " + description.to_json();
  } catch (const std::invalid_argument&) {
    return "an ext";
  }
}

std::string describe(const msgpack::object& object) {
  const auto value = Value::copy(object);
  std::string word(value.type_word());
  switch (value.type()) {
    case Value::Type::nil: return word;
    case Value::Type::array: return "an array of " + std::to_string(value.size());
    case Value::Type::map: return "a map of " + std::to_string(value.size());
    case Value::Type::extension:
      if (object.via.ext.type() == kArrayExt) return describe_array(object);
      return "an " + word;
    case Value::Type::integer: return "an " + word;
    default: return "a " + word;
  }
}

}  // namespace

msgpack::object unpack(msgpack::zone& zone, std::string_view bytes, std::size_t& end, bool shares) {
  const auto refers = [](msgpack::type::object_type, std::size_t, void* shared) {
    return *static_cast<bool*>(shared);
  };
  // Each element takes a byte at least: no memory for a claim of more.
  const std::size_t most = bytes.size();
  const msgpack::unpack_limit limit(most, most, most, most, most, limits::kMaxDepth);
  return msgpack::unpack(zone, bytes.data(), bytes.size(), end, refers, &shares, limit);
}

// The zone's first piece holds a small result whole.
Unpacked::Unpacked(std::string_view bytes) : zone_(bytes.size() < 256 ? 512 : MSGPACK_ZONE_CHUNK_SIZE) {
  std::size_t end = 0;
  object_ = unpack(zone_, bytes, end, true);
}

void throw_misfit(const Reply* reply, const std::type_info& wanted, const msgpack::object& got) {
  throw make_misfit(reply, name_of(wanted), describe(got));
}

}  // namespace samovar::detail
