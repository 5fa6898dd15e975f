#include "tools/load/options.hpp"

#include <algorithm>
#include <iterator>
#include <random>
#include <stdexcept>
#include <utility>

#include "tools/common/arguments.hpp"
#include "tools/common/command_line.hpp"
#include "tools/common/description.hpp"
#include "tools/load/bodies.hpp"
#include "tools/load/progress.hpp"
#include "tools/load/quantity.hpp"

namespace samovar::load {
namespace {

using namespace std::chrono_literals;
using tools::duration;

constexpr const char* kFooter =
    R"(A closed loop keeps --concurrency calls under way. With --rate it is an open loop: calls start at their times
whatever became of the earlier ones, and latency counts from the time a call was to start.

Exit codes:
  0 fine   1 an objective was not held (--assert, --find-max; compare: worse)   2 usage error
  3 no broker, or no call succeeded   130 ended early by Ctrl-C or SIGTERM (the summary is still written))";

// As typed.
struct Typed {
  std::string endpoint = "tcp://127.0.0.1:7711";
  std::vector<std::string> methods;
  std::string mix, args, kwargs, args_file, args_csv, columns, args_schema, body_size;
  unsigned concurrency = 1;
  double rate = 0;
  std::string arrivals, duration, requests, warmup, timeout = "10s", steps, ramp, find_max, asserted;
  unsigned connections = 1, processes = 1, sample = 32;
  std::optional<std::uint64_t> seed;
  std::string json, csv, percentiles, html;
  bool quiet = false, idempotent = false;
  Comparison compare;
};

void add_what(CLI::App& app, Typed& typed) {
  auto group = app.add_option_group("What is called");
  group
      ->add_option("--endpoint", typed.endpoint,
                   "The broker's frontend, or several with commas, or dns+tcp://NAME:PORT")
      ->type_name("ENDPOINT")
      ->envname("SAMOVAR_ENDPOINT")
      ->capture_default_str();
  group->add_option("--method", typed.methods, "What is called; several as NAME:WEIGHT")
      ->type_name("SERVICE.METHOD")
      ->allow_extra_args(false);
  group
      ->add_option(
          "--mix", typed.mix,
          R"(A JSON file: [{"method": "a.b", "weight": 3, "args": [...] or "schema": [...], "kwargs": {...}}, ...])")
      ->type_name("FILE");
  group->add_option("--args", typed.args, "The arguments as a JSON array, or one bare word");
  group->add_option("--kwargs", typed.kwargs, R"(Keyword arguments of each call, a JSON object: {"n": 5})");
  group->add_option("--args-file", typed.args_file, "A file with such a line for each call, taken in turns")
      ->type_name("FILE");
  group->add_option("--args-csv", typed.args_csv, "A CSV file with a head; a row for each call")
      ->type_name("FILE");
  group->add_option("--columns", typed.columns, "Its columns that are the arguments: a,b:int,c:float,d:json");
  group->add_option(
      "--args-schema", typed.args_schema,
      R"(Random arguments, JSON or a file: [{"type": "int", "min": 0, "max": 9}, {"type": "ipv4"}, )"
      R"({"type": "string", "length": 8}, {"enum": [...]}])");
  group->add_option("--body-size", typed.body_size, "One argument of so many bytes: 10KiB");
  group->add_option("--timeout", typed.timeout, "Of each call")->check(duration())->capture_default_str();
  group->add_flag("--idempotent", typed.idempotent, "Each call may run twice: it is made again after a loss");
  group->add_option("--seed", typed.seed, "Of all that is random; drawn when it is not given");
}

void add_how(CLI::App& app, Typed& typed) {
  const CLI::Range connections(1U, Progress::kMostConnections);
  auto group = app.add_option_group("How much of it");
  group->add_option("--concurrency", typed.concurrency, "Calls under way, over all connections")
      ->check(CLI::Range(1U, 1'000'000U))
      ->capture_default_str();
  group->add_option("--rate", typed.rate, "Calls started each second, over all connections")
      ->check(CLI::Range(1e-3, 1e8));
  group->add_option("--arrivals", typed.arrivals, "With a rate: poisson (default) or even")
      ->check(CLI::IsMember({"poisson", "even"}));
  group->add_option("--steps", typed.steps,
                    "One run after the other: 1,8,64 calls under way, or 1000/s,5000/s");
  group->add_option("--ramp", typed.ramp, "Rises or falls evenly: 1:64 calls under way, or 100/s:5000/s");
  group->add_option("--find-max", typed.find_max, "Look for the highest rate that holds this: 'p99<5ms'");
  group->add_option("--duration", typed.duration, "Of a run (10s; with --find-max 3s a rate)")
      ->check(duration());
  group->add_option("--requests", typed.requests, "Make so many calls instead")->check(CLI::PositiveNumber);
  group->add_option("--warmup", typed.warmup, "Not measured, before each run (500ms; with --requests none)");
  group->add_option("--connections", typed.connections, "Of each process")
      ->check(connections)
      ->capture_default_str();
  group->add_option("--processes", typed.processes, "That make the calls")
      ->check(connections)
      ->capture_default_str();
  group
      ->add_option("--sample", typed.sample,
                   "Each so many calls one asks for the time queued and running; 0: none")
      ->capture_default_str();
}

void add_results(CLI::App& app, Typed& typed) {
  auto group = app.add_option_group("What becomes of it");
  group->add_option("--json", typed.json, "Write a report for programs; - is stdout")->type_name("FILE");
  group->add_option("--csv", typed.csv, "Write a line for each run")->type_name("FILE");
  group->add_option("--percentiles", typed.percentiles, "Write a percentile file as HdrHistogram does")
      ->type_name("FILE");
  group->add_option("--html", typed.html, "Write a page with plots")->type_name("FILE");
  group->add_option(
      "--assert", typed.asserted,
      "Exit with 1 unless all hold: 'p99<5ms,errors<0.1%,rps>1000'. p50, p99.9, mean, max, errors, rps");
  group->add_flag("--quiet", typed.quiet, "No progress, no summary");
}

// The arguments for methods that come without their own.
Bodies common_bodies(Typed& typed, std::uint64_t seed) {
  const bool given[] = {!typed.args.empty(), !typed.args_file.empty(), !typed.args_csv.empty(),
                        !typed.args_schema.empty(), !typed.body_size.empty()};
  if (std::count(std::begin(given), std::end(given), true) > 1) {
    throw std::invalid_argument(
        "of --args, --args-file, --args-csv, --args-schema and --body-size only one can be given");
  }
  if (typed.args_csv.empty() != typed.columns.empty()) {
    throw std::invalid_argument("--args-csv and --columns go together");
  }
  if (!typed.args_file.empty()) return bodies_of_lines(typed.args_file);
  if (!typed.args_csv.empty()) return bodies_of_csv(typed.args_csv, typed.columns);
  if (!typed.args_schema.empty()) return bodies_of_schema(typed.args_schema, seed);
  if (typed.body_size.empty()) return {body_of(typed.args.empty() ? "[]" : typed.args)};
  const auto size = parse_size(typed.body_size);
  if (!size || *size > std::uint64_t{1} << 30) {
    throw std::invalid_argument("--body-size '" + typed.body_size +
                                "': write 512, 10KiB or 1MB, 1 GiB at most");
  }
  return {body_of_size(*size)};
}

void check_name(const std::string& name) {
  const auto dot = name.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == name.size()) {
    throw std::invalid_argument("'" + name + "' is no method: write SERVICE.METHOD");
  }
}

Method parse_method(const std::string& text) {
  Method method{text, 1, {}, {}};
  if (const auto colon = text.rfind(':'); colon != std::string::npos) {
    const auto weight = parse_number(text.substr(colon + 1));
    if (!weight || *weight <= 0)
      throw std::invalid_argument("--method " + text + ": the weight is a number above 0");
    method.weight = *weight;
    method.name.resize(colon);
  }
  check_name(method.name);
  return method;
}

std::vector<Method> read_mix(const std::string& file, std::uint64_t seed) {
  const auto json = Json::parse(read_text("--mix", file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) throw std::invalid_argument("--mix: " + file + " is no JSON array");
  std::vector<Method> methods;
  for (const auto& element : json) {
    if (!element.is_object() || !element.contains("method") || !element["method"].is_string() ||
        (element.contains("weight") && (!element["weight"].is_number() || element["weight"] <= 0))) {
      throw std::invalid_argument("--mix: " + element.dump() +
                                  R"(: write {"method": "a.b", "weight": 3, "args": [...]})");
    }
    Method method{element["method"], element.value("weight", 1.0), {}, {}};
    check_name(method.name);
    if (element.contains("args")) method.bodies = {body_of(element["args"].dump())};
    if (element.contains("schema")) method.bodies = bodies_of_schema(element["schema"].dump(), seed);
    if (element.contains("kwargs")) method.keywords = keywords_of(element["kwargs"].dump());
    methods.push_back(std::move(method));
  }
  return methods;
}

std::vector<Method> methods_of(Typed& typed, std::uint64_t seed) {
  auto methods = typed.mix.empty() ? std::vector<Method>{} : read_mix(typed.mix, seed);
  for (const auto& text : typed.methods) methods.push_back(parse_method(text));
  if (methods.empty()) throw std::invalid_argument("say with --method SERVICE.METHOD what is to be called");
  if (methods.size() > 1000) throw std::invalid_argument("more than 1000 methods are too many for a mix");
  const auto common = common_bodies(typed, seed);
  const auto keywords = typed.kwargs.empty() ? std::string() : keywords_of(typed.kwargs);
  for (auto& method : methods) {
    if (method.bodies.empty()) method.bodies = common;
    if (method.keywords.empty()) method.keywords = keywords;
  }
  return methods;
}

std::vector<Level> levels_of(const CLI::App& app, const Typed& typed) {
  const char* const kinds[] = {"--concurrency", "--rate", "--steps", "--ramp", "--find-max"};
  std::string given;
  for (const char* kind : kinds) {
    if (app.get_option(kind)->count() == 0) continue;
    if (!given.empty() && !(given == "--rate" && std::string(kind) == "--find-max")) {
      throw std::invalid_argument(given + " and " + kind + " cannot be given together");
    }
    given = kind;
  }
  if (!typed.steps.empty()) return parse_steps(typed.steps);
  if (!typed.ramp.empty()) return {parse_ramp(typed.ramp)};
  if (typed.rate > 0) return {{Loop::open, typed.rate, typed.rate}};
  return {{Loop::closed, static_cast<double>(typed.concurrency), static_cast<double>(typed.concurrency)}};
}

Nanoseconds to_duration(const std::string& text, Nanoseconds otherwise) {
  return text.empty() ? otherwise : Nanoseconds(*tools::parse_duration(text));
}

// "0" is no duration anywhere else.
Nanoseconds warmup_of(const Typed& typed) {
  if (parse_number(typed.warmup) == 0.0 || (typed.warmup.empty() && !typed.requests.empty())) return {};
  if (!typed.warmup.empty() && !tools::parse_duration(typed.warmup)) {
    throw std::invalid_argument("--warmup: '" + typed.warmup + "' is no duration: write 0, 500ms or 5s");
  }
  return to_duration(typed.warmup, 500ms);
}

Json settings_of(const Options& options, const Typed& typed) {
  Json methods = Json::array();
  for (const auto& method : options.methods) {
    methods.push_back(
        {{"method", method.name}, {"weight", method.weight}, {"arguments", method.bodies.size()}});
  }
  Json levels = Json::array();
  for (const auto& level : options.levels) levels.push_back(level.in_words());
  Json settings{{"endpoint", options.setup.endpoint},
                {"methods", std::move(methods)},
                {"levels", std::move(levels)},
                {"connections", options.setup.connections},
                {"processes", options.setup.processes},
                {"duration_s", std::chrono::duration<double>(options.phase.duration).count()},
                {"requests", options.phase.requests},
                {"warmup_s", std::chrono::duration<double>(options.warmup).count()},
                {"idempotent", options.setup.idempotent},
                {"timeout_s", std::chrono::duration<double>(options.setup.timeout).count()},
                {"seed", options.phase.seed}};
  if (options.levels[0].loop == Loop::open || !typed.find_max.empty()) {
    settings["arrivals"] = options.phase.spacing == Spacing::even ? "even" : "poisson";
  }
  if (!typed.find_max.empty()) settings["find_max"] = typed.find_max;
  if (!typed.asserted.empty()) settings["assert"] = typed.asserted;
  return settings;
}

Options options_of(const CLI::App& app, Typed& typed) {
  tools::unshield(typed.args);
  tools::unshield(typed.args_schema);
  tools::unshield(typed.kwargs);
  Options options;
  options.phase.seed = typed.seed ? *typed.seed : std::random_device{}();
  options.methods = methods_of(typed, options.phase.seed);
  options.levels = levels_of(app, typed);
  options.setup.endpoint = typed.endpoint;
  options.setup.timeout = *tools::parse_duration(typed.timeout);
  options.setup.idempotent = typed.idempotent;
  options.setup.connections = typed.connections;
  options.setup.processes = typed.processes;
  options.setup.sample_every = typed.sample;
  if (options.setup.all_connections() > Progress::kMostConnections) {
    throw std::invalid_argument("--connections times --processes is more than 1024");
  }
  const bool open = options.levels[0].loop == Loop::open || !typed.find_max.empty();
  if (!typed.arrivals.empty() && !open) {
    throw std::invalid_argument(
        "--arrivals needs a rate: --rate 1000, --steps 1000/s or --ramp 100/s:1000/s");
  }
  options.phase.spacing = typed.arrivals == "even" ? Spacing::even : Spacing::poisson;
  if (!typed.requests.empty())
    options.phase.requests = static_cast<std::uint64_t>(*parse_number(typed.requests));
  if (options.phase.requests > 0 && (!typed.ramp.empty() || !typed.find_max.empty())) {
    throw std::invalid_argument("--requests: --ramp and --find-max need a --duration instead");
  }
  if (typed.requests.empty() || !typed.duration.empty()) {
    options.phase.duration = to_duration(typed.duration, typed.find_max.empty() ? 10s : 3s);
  }
  options.warmup = warmup_of(typed);
  if (!typed.asserted.empty()) options.asserted = parse_objectives("--assert", typed.asserted);
  if (!typed.find_max.empty()) options.searched = parse_objectives("--find-max", typed.find_max);
  if (!typed.find_max.empty() && typed.rate > 0) options.search_start = typed.rate;
  options.json_file = typed.json;
  options.csv_file = typed.csv;
  options.percentile_file = typed.percentiles;
  options.html_file = typed.html;
  options.quiet = typed.quiet;
  options.settings = settings_of(options, typed);
  return options;
}

}  // namespace

Command parse_command_line(int argc, char** argv) {
  CLI::App app{"Loads a method behind a Samovar broker with calls, and measures them."};
  app.name("samovar-load");
  app.set_version_flag("--version", "samovar-load " SAMOVAR_VERSION);
  app.footer(kFooter);
  Typed typed;
  add_what(app, typed);
  add_how(app, typed);
  add_results(app, typed);
  auto* compare = app.add_subcommand("compare", "Say whether one run was better or worse than another");
  compare->add_option("before", typed.compare.before, "A JSON report")->type_name("FILE")->required();
  compare->add_option("after", typed.compare.after, "Another one")->type_name("FILE")->required();
  tools::add_description(app);

  Command command;
  try {
    app.parse(tools::shielded(argc, argv));
  } catch (const CLI::Success& success) {  // --help, --version
    command.exit_code = app.exit(success);
    return command;
  } catch (const CLI::ParseError& error) {
    throw std::invalid_argument(std::string(error.what()) + " (samovar-load --help)");
  }
  if (compare->parsed()) {
    command.compare = typed.compare;
  } else {
    command.run = options_of(app, typed);
  }
  return command;
}

}  // namespace samovar::load
