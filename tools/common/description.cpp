#include "tools/common/description.hpp"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace samovar::tools {
namespace {

using Json = nlohmann::ordered_json;

// The type's name is "TEXT:{poisson,even}" or "UINT:INT in [1 - 9]": first what it is, then what checks it. A check may
// have a word that says more, as in "TEXT:DURATION".
std::string value_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  const auto colon = type.find(':');
  if (colon == std::string::npos) return type;
  const bool is_word = std::all_of(type.begin() + static_cast<std::ptrdiff_t>(colon) + 1, type.end(),
                                   [](char letter) { return letter >= 'A' && letter <= 'Z'; });
  return is_word ? type.substr(colon + 1) : type.substr(0, colon);
}

Json choices_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  const auto begin = type.find(":{");
  const auto end = type.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return Json::array();
  return CLI::detail::split(type.substr(begin + 2, end - begin - 2), ',');
}

Json describe(const CLI::Option& option, const std::string& group) {
  Json json{{"about", option.get_description()}};
  if (option.get_positional()) {
    json["name"] = option.get_name(true);
    json["required"] = option.get_required();
    json["repeats"] = option.get_expected_max() > 1;
  } else {
    json["names"] = Json::array();
    for (const auto& name : option.get_snames()) json["names"].push_back("-" + name);
    for (const auto& name : option.get_lnames()) json["names"].push_back("--" + name);
    json["group"] = group;
  }
  if (option.get_items_expected_max() > 0) json["value"] = value_of(option);
  if (auto choices = choices_of(option); !choices.empty()) json["choices"] = std::move(choices);
  if (!option.get_default_str().empty()) json["default"] = option.get_default_str();
  if (!option.get_envname().empty()) json["environment"] = option.get_envname();
  return json;
}

// Those of a group count as those of its command, but for its copy of --help.
void add_options(Json& json, const CLI::App& app) {
  const bool is_group = app.get_name().empty();
  const auto is_shown = [&](const CLI::Option* option) {
    return !option->get_group().empty() && !(is_group && option == app.get_help_ptr());
  };
  for (const auto* option : app.get_options(is_shown)) {
    const auto& group = is_group ? app.get_group() : option->get_group();
    json[option->get_positional() ? "arguments" : "options"].push_back(describe(*option, group));
  }
}

}  // namespace

Json describe(const CLI::App& app) {
  Json json{{"name", app.get_name()},     {"about", app.get_description()},
            {"footer", app.get_footer()}, {"takes_options_of_commands_above", app.get_fallthrough()},
            {"options", Json::array()},   {"arguments", Json::array()},
            {"commands", Json::array()}};
  add_options(json, app);
  for (const auto* command :
       app.get_subcommands([](const CLI::App* each) { return !each->get_group().empty(); })) {
    if (!command->get_name().empty()) json["commands"].push_back(describe(*command));
    if (command->get_name().empty()) add_options(json, *command);
  }
  return json;
}

void add_description(CLI::App& app) {
  const auto print = [&app] {
    std::cout << describe(app).dump(2) << '\n';
    throw CLI::Success();
  };
  app.add_flag_callback("--describe", print, "Print what can be typed here, as JSON")->group("");
}

}  // namespace samovar::tools
