#include <memory>
#include <ostream>
#include <samovar/value.hpp>
#include <span>
#include <stdexcept>
#include <utility>

#include "client/json.hpp"
#include "client/limits.hpp"
#include "client/timestamp.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar {
namespace {

struct Tree {
  Buffer bytes;  // text and bytes of a large tree point into it
  msgpack::zone zone;
  msgpack::object root;
};

std::string_view text_of(const msgpack::object& object) {
  return {object.via.str.ptr, object.via.str.size};
}

}  // namespace

const msgpack::object Value::kNil;

Value Value::parse(Buffer msgpack) {
  auto tree = std::make_shared<Tree>();
  const auto bytes = msgpack.bytes();
  // Before any memory is taken: one that is cut off may claim much more than it has, on each of its levels.
  std::string_view whole;
  if (!proto::Cursor(bytes).skip(samovar::limits::kMaxDepth, whole)) {
    throw std::invalid_argument(
        "samovar::Value::parse: the bytes are not msgpack, or nested more than 64 deep");
  }
  if (whole.size() != bytes.size())
    throw std::invalid_argument("samovar::Value::parse: bytes follow the value");
  const bool shares = bytes.size() > client::limits::kSmallValue;
  std::size_t end = 0;
  tree->root = detail::unpack(tree->zone, bytes, end, shares);
  if (shares) tree->bytes = std::move(msgpack);
  const auto* root = &tree->root;
  return {std::move(tree), root};
}

Value Value::copy(const msgpack::object& object) {
  auto tree = std::make_shared<Tree>();
  tree->root = msgpack::object(object, tree->zone);  // deep
  const auto* root = &tree->root;
  return {std::move(tree), root};
}

Value::Type Value::type() const {
  switch (object_->type) {
    case msgpack::type::NIL: return Type::nil;
    case msgpack::type::BOOLEAN: return Type::boolean;
    case msgpack::type::POSITIVE_INTEGER:
    case msgpack::type::NEGATIVE_INTEGER: return Type::integer;
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64: return Type::real;
    case msgpack::type::STR: return Type::text;
    case msgpack::type::BIN: return Type::bytes;
    case msgpack::type::ARRAY: return Type::array;
    case msgpack::type::MAP: return Type::map;
    case msgpack::type::EXT: break;
  }
  detail::Timestamp ignored;
  return detail::read_timestamp(*object_, ignored) ? Type::timestamp : Type::extension;
}

std::string_view Value::type_word() const {
  constexpr std::string_view kWords[] = {"nil", "bool",  "int", "float",     "str",
                                         "bin", "array", "map", "timestamp", "ext"};
  return kWords[static_cast<std::size_t>(type())];
}

std::size_t Value::size() const {
  switch (object_->type) {
    case msgpack::type::STR: return object_->via.str.size;
    case msgpack::type::BIN: return object_->via.bin.size;
    case msgpack::type::ARRAY: return object_->via.array.size;
    case msgpack::type::MAP: return object_->via.map.size;
    default: return 0;
  }
}

Value Value::at(std::size_t index) const {
  if (!is_array())
    throw std::out_of_range("samovar::Value: a " + std::string(type_word()) + " has no elements");
  if (index >= size()) {
    throw std::out_of_range("samovar::Value: element " + std::to_string(index) + " of an array of " +
                            std::to_string(size()));
  }
  return {tree_, &object_->via.array.ptr[index]};
}

const msgpack::object* Value::find(std::string_view key) const {
  if (!is_map()) return nullptr;
  for (const auto& entry : std::span(object_->via.map.ptr, object_->via.map.size)) {
    if (entry.key.type == msgpack::type::STR && text_of(entry.key) == key) return &entry.val;
  }
  return nullptr;
}

bool Value::contains(std::string_view key) const {
  return find(key) != nullptr;
}

Value Value::at(std::string_view key) const {
  if (const auto* entry = find(key)) return {tree_, entry};
  throw std::out_of_range("samovar::Value: a " + std::string(type_word()) + " has no entry '" +
                          std::string(key) + "'");
}

std::vector<std::pair<Value, Value>> Value::entries() const {
  if (!is_map()) throw std::out_of_range("samovar::Value: a " + std::string(type_word()) + " has no entries");
  std::vector<std::pair<Value, Value>> all;
  all.reserve(size());
  for (const auto& entry : std::span(object_->via.map.ptr, object_->via.map.size)) {
    all.emplace_back(Value(tree_, &entry.key), Value(tree_, &entry.val));
  }
  return all;
}

std::string_view Value::raw() const {
  if (is_text()) return text_of(*object_);
  if (is_bytes()) return {object_->via.bin.ptr, object_->via.bin.size};
  return {};
}

std::string Value::to_json() const {
  std::string out;
  detail::append_json(out, *object_);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Value& value) {
  return out << value.to_json();
}

}  // namespace samovar
