#include "tools/common/command_line.hpp"

#include "tools/common/arguments.hpp"

namespace samovar::tools {
namespace {

bool is_touchy(const std::string& argument) {
  return argument.size() > 1 &&
         (argument[0] == '[' || (argument[0] == '-' && argument[1] >= '0' && argument[1] <= '9'));
}

}  // namespace

std::vector<std::string> shielded(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    const std::string argument = argv[i];
    arguments.push_back(is_touchy(argument) ? " " + argument : argument);
  }
  return arguments;
}

void unshield(std::string& argument) {
  if (!argument.empty() && argument[0] == ' ' && is_touchy(argument.substr(1))) argument.erase(0, 1);
}

void unshield(std::vector<std::string>& arguments) {
  for (auto& argument : arguments) unshield(argument);
}

CLI::Validator duration() {
  return CLI::Validator(
      [](const std::string& text) {
        return parse_duration(text) ? std::string()
                                    : "'" + text + "' is no duration: write 50ms, 5s, 2m or 1h";
      },
      "DURATION");
}

}  // namespace samovar::tools
