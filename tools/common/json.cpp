#include "tools/common/json.hpp"

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace samovar::tools {
namespace {

// An array or an object whose end has not been read.
struct Open {
  bool is_object;
  std::vector<std::string> keys;  // of an object: for each value, and for the one that is to come
  Json::array_t values;
};

Json closed(Open open) {
  if (!open.is_object) return Json(std::move(open.values));
  Json::object_t object;
  object.reserve(open.values.size());
  std::map<std::string_view, std::size_t>
      places;  // not hashed: whoever writes the keys could have them collide
  for (std::size_t i = 0; i < open.values.size(); ++i) {
    const auto [known, is_new] = places.emplace(open.keys[i], object.size());
    if (is_new) {
      object.emplace_back(open.keys[i], std::move(open.values[i]));
    } else {
      object.begin()[static_cast<std::ptrdiff_t>(known->second)].second = std::move(open.values[i]);
    }
  }
  return Json(std::move(object));
}

// What the parser tells, put together.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(std::size_t most_nested) : most_nested_(most_nested) {}

  Json take() { return std::move(whole_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // text has none
  bool start_object(std::size_t) override { return begin(true); }
  bool start_array(std::size_t) override { return begin(false); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }

  bool key(std::string& name) override {
    open_.back().keys.push_back(std::move(name));
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool begin(bool is_object) {
    if (open_.size() >= most_nested_) {
      throw std::invalid_argument("an argument is nested more than " + std::to_string(most_nested_) +
                                  " levels deep");
    }
    open_.push_back({is_object, {}, {}});
    return true;
  }

  bool end() {
    Json value = closed(std::move(open_.back()));
    open_.pop_back();
    return add(std::move(value));
  }

  bool add(Json value) {
    if (open_.empty()) {
      whole_ = std::move(value);
    } else {
      open_.back().values.push_back(std::move(value));
    }
    return true;
  }

  const std::size_t most_nested_;
  std::vector<Open> open_;
  Json whole_;
};

}  // namespace

std::optional<Json> parse_json(std::string_view text, std::size_t most_nested) {
  Builder builder(most_nested);
  if (!Json::sax_parse(text, &builder)) return std::nullopt;
  return builder.take();
}

}  // namespace samovar::tools
