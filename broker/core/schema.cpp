#include "broker/core/schema.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <utility>

namespace samovar::broker {
namespace {

using Object = msgpack::object;

// Types that are looked at in one comparison: far more than a schema of 128 KiB has.
constexpr int kMaxSteps = 20'000;
constexpr int kMaxDepth = 64;
constexpr std::size_t kMostWords = 8;

const Object* find(const Object* map, std::string_view key) {
  if (!map || map->type != msgpack::type::MAP) return nullptr;
  for (std::uint32_t i = 0; i < map->via.map.size; ++i) {
    const auto& entry = map->via.map.ptr[i];
    if (entry.key.type == msgpack::type::STR &&
        std::string_view(entry.key.via.str.ptr, entry.key.via.str.size) == key) {
      return &entry.val;
    }
  }
  return nullptr;
}

std::string_view text(const Object* object) {
  return object && object->type == msgpack::type::STR
             ? std::string_view(object->via.str.ptr, object->via.str.size)
             : std::string_view{};
}

bool is_true(const Object* object) {
  return object && object->type == msgpack::type::BOOLEAN && object->via.boolean;
}

std::span<const Object> elements(const Object* object) {
  if (!object || object->type != msgpack::type::ARRAY) return {};
  return {object->via.array.ptr, object->via.array.size};
}

std::span<const msgpack::object_kv> entries(const Object* object) {
  if (!object || object->type != msgpack::type::MAP) return {};
  return {object->via.map.ptr, object->via.map.size};
}

bool holds(std::span<const Object> list, const Object& value) {
  return std::any_of(list.begin(), list.end(), [&](const Object& each) { return each == value; });
}

bool requires_field(const Object* structure, std::string_view name) {
  const auto names = elements(find(structure, "required"));
  return std::any_of(names.begin(), names.end(), [&](const Object& each) { return text(&each) == name; });
}

// A type in words: "integer", "list of Place", "text or null".
std::string words(const Object* type) {
  const auto list = [](std::span<const Object> parts, auto&& word) {
    std::string out;
    for (std::size_t i = 0; i < parts.size() && i <= kMostWords; ++i) {
      out += i == 0 ? "" : " or ";
      out += i == kMostWords ? "..." : word(parts[i]);
    }
    return out;
  };
  if (const auto ref = text(find(type, "$ref")); !ref.empty()) {
    return std::string(ref.substr(ref.rfind('/') + 1));
  }
  if (const auto parts = elements(find(type, "anyOf")); !parts.empty()) {
    return list(parts, [](const Object& part) { return words(&part); });
  }
  if (const auto values = elements(find(type, "enum")); !values.empty()) {
    return list(values, [](const Object& value) {
      return value.type == msgpack::type::STR                ? "'" + std::string(text(&value)) + "'"
             : value.type == msgpack::type::POSITIVE_INTEGER ? std::to_string(value.via.u64)
             : value.type == msgpack::type::NEGATIVE_INTEGER ? std::to_string(value.via.i64)
                                                             : std::string("another value");
    });
  }
  const auto kind = text(find(type, "type"));
  if (find(type, "x-samovar-array")) {
    const auto dtype = text(find(type, "x-samovar-array"));
    return dtype.empty() ? "array" : "array of " + std::string(dtype);
  }
  if (kind == "array") return find(type, "prefixItems") ? "tuple" : "list of " + words(find(type, "items"));
  if (kind == "object") return "map to " + words(find(type, "additionalProperties"));
  if (kind == "string") {
    return find(type, "contentEncoding") ? "bytes" : find(type, "format") ? "time" : "text";
  }
  return kind.empty() ? "anything" : std::string(kind);
}

// Whether the values are listed.
bool is_enum(const Object* type) {
  return !elements(find(type, "enum")).empty();
}

bool is_anything(const Object* type) {
  return !type || (text(find(type, "type")).empty() && text(find(type, "$ref")).empty() &&
                   elements(find(type, "anyOf")).empty() && !is_enum(type));
}

// Whether what one side gives is what the other takes.
class Comparison {
 public:
  // Of arguments, or of results.
  Comparison(const Object& caller, const Object& workers, bool arguments)
      : givers_(find(arguments ? &caller : &workers, "$defs")),
        takers_(find(arguments ? &workers : &caller, "$defs")),
        arguments_(arguments) {}

  // The difference, or an empty text.
  std::string between(const Object* given, const Object* taken, const std::string& where) {
    why_.clear();
    return fits(given, taken, where, 0) ? std::string() : why_;
  }

 private:
  bool fits(const Object* given, const Object* taken, const std::string& where, int depth) {
    if (++steps_ > kMaxSteps || depth > kMaxDepth || is_anything(taken)) return true;
    const auto given_name = text(find(given, "$ref"));
    const auto taken_name = text(find(taken, "$ref"));
    if (!given_name.empty() && !taken_name.empty() && !assumed_.emplace(given_name, taken_name).second) {
      return true;
    }
    const Object* const give = resolve(givers_, given);
    const Object* const take = resolve(takers_, taken);
    if (is_anything(take)) return true;
    if (const auto parts = elements(find(give, "anyOf")); !parts.empty()) {
      return std::all_of(parts.begin(), parts.end(),
                         [&](const Object& part) { return fits(&part, taken, where, depth + 1); });
    }
    if (const auto parts = elements(find(take, "anyOf")); !parts.empty()) {
      const bool some = std::any_of(parts.begin(), parts.end(),
                                    [&](const Object& part) { return fits(given, &part, where, depth + 1); });
      return some || differ(given, taken, where);
    }
    if (is_enum(give) || is_enum(take)) return values_fit(give, take) || differ(given, taken, where);
    if (is_anything(give) || !same_kind(give, take)) return differ(given, taken, where);
    if (find(take, "x-samovar-array")) return true;
    const auto kind = text(find(take, "type"));
    if (kind == "array") return lists_fit(give, take, where, depth) || differ(given, taken, where);
    if (kind != "object") return true;
    if (find(give, "properties") && find(take, "properties")) return fields_fit(give, take, where, depth);
    return maps_fit(give, take, where, depth) || differ(given, taken, where);
  }

  bool differ(const Object* given, const Object* taken, const std::string& where) {
    if (why_.empty() || why_.starts_with(where + ":")) {
      why_ = where + ": " + (arguments_ ? "the caller gives " : "the workers return ") + words(given) + ", " +
             (arguments_ ? "the workers take " : "the caller expects ") + words(taken);
    }
    return false;
  }

  static const Object* resolve(const Object* definitions, const Object* type) {
    const auto ref = text(find(type, "$ref"));
    return ref.empty() ? type : find(definitions, ref.substr(ref.rfind('/') + 1));
  }

  static bool same_kind(const Object* give, const Object* take) {
    const auto given = text(find(give, "type"));
    const auto taken = text(find(take, "type"));
    if (given != taken && !(given == "integer" && taken == "number")) return false;
    const Object* const dtype = find(take, "x-samovar-array");
    if (!dtype != !find(give, "x-samovar-array")) return false;
    if (dtype && !text(dtype).empty() && text(dtype) != text(find(give, "x-samovar-array"))) return false;
    return !find(give, "contentEncoding") == !find(take, "contentEncoding") &&
           text(find(give, "format")) == text(find(take, "format"));
  }

  static bool values_fit(const Object* give, const Object* take) {
    const auto given = elements(find(give, "enum"));
    const auto taken = elements(find(take, "enum"));
    if (given.empty()) return false;
    return std::all_of(given.begin(), given.end(), [&](const Object& value) {
      if (!taken.empty()) return holds(taken, value);
      const auto kind = text(find(take, "type"));
      switch (value.type) {
        case msgpack::type::STR:
          return kind == "string" && !find(take, "contentEncoding") && !find(take, "format");
        case msgpack::type::BOOLEAN: return kind == "boolean";
        case msgpack::type::NIL: return kind == "null";
        default: return kind == "integer" || kind == "number";
      }
    });
  }

  bool lists_fit(const Object* give, const Object* take, const std::string& where, int depth) {
    const auto given = elements(find(give, "prefixItems"));
    const auto taken = elements(find(take, "prefixItems"));
    if (find(take, "prefixItems")) {
      if (!find(give, "prefixItems") || given.size() != taken.size()) return false;
      for (std::size_t i = 0; i < taken.size(); ++i) {
        if (!fits(&given[i], &taken[i], where + "[" + std::to_string(i) + "]", depth + 1)) return false;
      }
      return true;
    }
    const Object* const items = find(take, "items");
    if (find(give, "prefixItems")) {
      return std::all_of(given.begin(), given.end(),
                         [&](const Object& each) { return fits(&each, items, where + "[]", depth + 1); });
    }
    return fits(find(give, "items"), items, where + "[]", depth + 1);
  }

  bool maps_fit(const Object* give, const Object* take, const std::string& where, int depth) {
    if (find(take, "properties")) return false;
    const Object* const values = find(take, "additionalProperties");
    if (find(give, "properties")) {
      const auto fields = entries(find(give, "properties"));
      return std::all_of(fields.begin(), fields.end(), [&](const auto& field) {
        return fits(&field.val, values, member(where, text(&field.key)), depth + 1);
      });
    }
    const Object* const keys = find(give, "x-samovar-keys");
    const Object* const taken = find(take, "x-samovar-keys");
    if (!keys != !taken || (keys && !(*keys == *taken))) return false;
    return fits(find(give, "additionalProperties"), values, where + "[]", depth + 1);
  }

  bool fields_fit(const Object* give, const Object* take, const std::string& where, int depth) {
    const Object* const given = find(give, "properties");
    const Object* const taken = find(take, "properties");
    for (const auto& field : entries(taken)) {
      const std::string name(text(&field.key));
      const Object* const value = find(given, name);
      // What workers return has all fields that its class has.
      const bool sure = value && (!arguments_ || requires_field(give, name));
      if (!sure && requires_field(take, name)) {
        return fails(member(where, name),
                     arguments_ ? "the workers need this field, the caller may leave it out"
                                : "the caller expects this field, the workers no longer have it");
      }
      if (value && !fits(value, &field.val, member(where, name), depth + 1)) return false;
    }
    if (!arguments_) return true;  // whatever else there is, the caller ignores
    for (const auto& field : entries(given)) {
      const std::string name(text(&field.key));
      if (find(taken, name)) continue;
      return fails(member(where, name), "the caller gives this field, the workers do not know it");
    }
    return true;
  }

  static std::string member(std::string where, std::string_view name) {
    return where.append(".").append(name);
  }
  bool fails(std::string where, std::string_view why) {
    why_ = where.append(": ").append(why);
    return false;
  }

  const Object* givers_;  // $defs
  const Object* takers_;
  bool arguments_;
  int steps_ = 0;
  std::string why_;
  std::set<std::pair<std::string_view, std::string_view>> assumed_;
};

const Object* parameter(const Object* method, std::string_view name) {
  for (const auto& each : elements(find(method, "parameters"))) {
    if (text(find(&each, "name")) == name) return &each;
  }
  return nullptr;
}

// Those that may be given by their place, in their order.
std::vector<const Object*> positional(const Object* method) {
  std::vector<const Object*> found;
  for (const auto& each : elements(find(method, "parameters"))) {
    if (!is_true(find(&each, "keyword_only"))) found.push_back(&each);
  }
  return found;
}

std::string quoted(std::string_view name) {
  return "'" + std::string(name) + "'";
}

std::string parameters_differ(const Object* caller, const Object* workers, Comparison& arguments) {
  const auto theirs = positional(workers);
  std::size_t place = 0;
  for (const auto& mine : elements(find(caller, "parameters"))) {
    const auto name = text(find(&mine, "name"));
    const bool required = is_true(find(&mine, "required"));
    const bool by_place = required && !is_true(find(&mine, "keyword_only"));
    const Object* their = parameter(workers, name);
    if (by_place && place < theirs.size() && theirs[place] != their) {
      return "parameter " + std::to_string(place + 1) + " is " + quoted(text(find(theirs[place], "name"))) +
             ", for the caller it is " + quoted(name);
    }
    if (by_place) ++place;
    if (!their) {
      if (find(workers, by_place ? "args" : "kwargs")) continue;
      return "the workers do not know the parameter " + quoted(name);
    }
    if (!required && is_true(find(their, "required"))) {
      return "the parameter " + quoted(name) + " must be given, the caller may leave it out";
    }
    std::string why =
        arguments.between(find(&mine, "schema"), find(their, "schema"), "parameter " + quoted(name));
    if (!why.empty()) return why;
  }
  for (const auto& their : elements(find(workers, "parameters"))) {
    const auto name = text(find(&their, "name"));
    if (is_true(find(&their, "required")) && !parameter(caller, name)) {
      return "the workers need the parameter " + quoted(name) + ", which the caller does not know";
    }
  }
  return {};
}

}  // namespace

std::string incompatibility(const Object& caller, const Object& workers, std::string_view method) {
  const Object* const mine = find(find(&caller, "methods"), method);
  const Object* const theirs = find(find(&workers, "methods"), method);
  if (!mine || !theirs) return {};
  Comparison arguments(caller, workers, true);
  std::string why = parameters_differ(mine, theirs, arguments);
  if (!why.empty()) return why;
  Comparison results(caller, workers, false);
  return results.between(find(theirs, "result"), find(mine, "result"), "the result");
}

}  // namespace samovar::broker
