// samovar-load: loads a method with calls, and measures them.
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include "tools/load/bodies.hpp"
#include "tools/load/compare.hpp"
#include "tools/load/fleet.hpp"
#include "tools/load/html.hpp"
#include "tools/load/options.hpp"
#include "tools/load/report.hpp"
#include "tools/load/run.hpp"

namespace {

using namespace samovar::load;

void write_text(const std::string& file, const std::string& text) {
  if (file == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream) throw std::invalid_argument("cannot write " + file);
}

int check_objectives(const Options& options, const Report& report) {
  int code = kFine;
  for (const auto& objective : options.asserted) {
    for (const auto& run : report.runs) {
      if (objective.holds(run.tally)) continue;
      code = kNotHeld;
      std::fprintf(stderr, "samovar-load: %s is not held at %s: it is %s\n", objective.text.c_str(),
                   run.level.in_words().c_str(), objective.value_in_words(run.tally).c_str());
    }
  }
  return report.searched() && !report.found_rate ? kNotHeld : code;
}

int run_load(const Options& options) {
  const Report report = run(options);
  if (!options.quiet) std::fputs(summary(report).c_str(), options.json_file == "-" ? stderr : stdout);
  if (!options.json_file.empty()) write_text(options.json_file, to_json(report).dump(2) + '\n');
  if (!options.csv_file.empty()) write_text(options.csv_file, to_csv(report));
  if (!options.percentile_file.empty()) write_text(options.percentile_file, to_percentile_file(report));
  if (!options.html_file.empty()) write_text(options.html_file, to_html(to_json(report)));
  const int code = check_objectives(options, report);
  if (report.interrupted) return kInterrupted;
  if (report.total().ok == 0) {
    std::fprintf(stderr, "samovar-load: nothing was measured: no call succeeded\n");
    return kNothingMeasured;
  }
  return code;
}

Json read_report(const std::string& file) {
  auto json = Json::parse(read_text("compare", file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("samovar_load")) {
    throw std::invalid_argument("compare: " + file + " is no report that samovar-load --json wrote");
  }
  return json;
}

int run_compare(const Comparison& comparison) {
  const auto before = read_report(comparison.before);
  const auto after = read_report(comparison.after);
  const auto runs = compare(before, after);
  std::fputs(to_text(runs).c_str(), stdout);
  for (const auto& doubt : doubts(before, after)) std::printf("warning: %s\n", doubt.c_str());
  return any_worse(runs) ? kNotHeld : kFine;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto command = parse_command_line(argc, argv);
    if (command.compare) return run_compare(*command.compare);
    return command.run ? run_load(*command.run) : command.exit_code;
  } catch (const Unreachable& error) {
    std::fprintf(stderr, "samovar-load: %s\n", error.what());
    return kNothingMeasured;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "samovar-load: %s\n", error.what());
    return kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovar-load: %s\n", error.what());
    return kNothingMeasured;
  }
}
