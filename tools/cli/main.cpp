// samovar: the command line of Samovar.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"
#include "tools/common/arguments.hpp"
#include "tools/common/command_line.hpp"
#include "tools/common/description.hpp"

namespace {

using namespace samovar::cli;
using namespace samovar::tools;

// What all commands take.
void add_common(CLI::App& app, Common& common, std::string& timeout) {
  app.add_option("--endpoint", common.endpoint, "The broker's frontend")
      ->type_name("ENDPOINT")
      ->envname("SAMOVAR_ENDPOINT")
      ->capture_default_str();
  app.add_option("--key", common.key_file, "This side's key, NAME.key, where the broker wants keys")
      ->type_name("FILE")
      ->envname("SAMOVAR_KEY");
  app.add_option("--broker-key", common.broker_key_file, "The broker's public key, NAME.pub")
      ->type_name("FILE")
      ->envname("SAMOVAR_BROKER_KEY");
  app.add_flag("--json", common.json, "Print JSON, for programs");
  app.add_flag("-v,--verbose", common.verbose, "With an error also the traceback or the worker's last lines");
  app.add_option("--timeout", timeout,
                 "How long to wait at most (call, replay: the method's timeout, else the broker's default; "
                 "reload, scale: 10m; else 5s)")
      ->check(duration());
}

CLI::App* add_call(CLI::App& app, CallOptions& options) {
  auto* command = app.add_subcommand("call", "Call a method; prints its result as JSON");
  command->add_option("method", options.method, "What to call")->type_name("SERVICE.METHOD")->required();
  command->add_option("argument", options.arguments,
                      "Each is JSON, or else a word: 1.0.1.0 is text, 5 a number, '\"5\"' text; "
                      "{\"$bytes\": base64} are bytes");
  command->add_option("--kw", options.keywords, "A keyword argument, NAME=VALUE")->allow_extra_args(false);
  command->add_flag("--idempotent", options.may_run_twice, "It may run twice: send it again after a loss");
  command->add_option("--affinity", options.affinity, "Calls with the same key prefer the same worker")
      ->type_name("KEY");
  command->add_flag("--metadata", options.show_metadata,
                    "Tell on stderr how long it was queued and ran, and where");
  command->add_flag("--stream", options.stream,
                    "The method streams its result: print each item as a line of JSON; Ctrl-C cancels");
  return command;
}

int run(int argc, char** argv) {
  CLI::App app{"Calls Python services through a Samovar broker, and shows what the broker does."};
  app.name("samovar");
  app.set_version_flag("--version", "samovar " SAMOVAR_VERSION);
  app.footer(exit_code_table());
  app.require_subcommand(0, 1);  // none is told below: CLI11 would not name a command that it does not know
  app.fallthrough();

  Common common;
  std::string timeout;
  add_common(app, common, timeout);
  CallOptions options;
  auto* call_command = add_call(app, options);
  auto* services_command = app.add_subcommand("services", "List the services that there are");
  auto* status_command =
      app.add_subcommand("status", "Show queues, workers, requests in flight and counters");
  bool once = false;
  auto* top_command = app.add_subcommand("top", "Watch throughput, times, queues and workers; q ends it");
  top_command->add_flag("--once", once, "Print one frame and end, as without a terminal");
  std::string service;
  unsigned workers = 0;
  auto* reload_command = app.add_subcommand("reload", "Load a service's code and data anew, without a gap");
  reload_command->add_option("service", service, "Its name")->type_name("SERVICE")->required();
  auto* scale_command = app.add_subcommand("scale", "Change the number of a service's workers");
  scale_command->add_option("service", service, "Its name")->type_name("SERVICE")->required();
  scale_command->add_option("workers", workers, "How many")->required()->check(CLI::Range(1, 1024));
  auto* crashes_command = app.add_subcommand("crashes", "Show how workers died, the last one first");
  crashes_command->add_option("service", service, "Of this one; else of all")->type_name("SERVICE");
  auto* errors_command = app.add_subcommand("errors", "Show the last errors that callers heard");
  errors_command->add_option("service", service, "Of this one; else of all")->type_name("SERVICE");
  std::string file;
  auto* replay_command =
      app.add_subcommand("replay", "Run a request that is refused since workers died of such ones");
  replay_command->add_option("file", file, "That samovard has saved it to")->type_name("FILE")->required();
  std::string key_name;
  auto* keygen_command = app.add_subcommand("keygen", "Make a pair of keys: NAME.key and NAME.pub");
  keygen_command->add_option("name", key_name, "Of whoever is to have it")->type_name("NAME")->required();
  app.add_subcommand("stubgen", "Make typed stubs out of a service's type hints: samovar stubgen --help");
  int count = 5;
  auto* ping_command = app.add_subcommand("ping", "Measure round trips to the broker");
  ping_command->add_option("--count", count, "How many")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  std::string kind;
  auto* names_command = app.add_subcommand("names", "Print names for a shell to complete")->group("");
  names_command->add_option("kind", kind)->required()->check(CLI::IsMember({"services", "methods"}));
  add_description(app);

  try {
    app.parse(shielded(argc, argv));
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "samovar: %s (samovar --help)\n", error.what());
    return kUsageError;
  }
  if (app.get_subcommands().empty()) {
    std::fprintf(
        stderr,
        "samovar: a command is missing: call, services, status, top, reload, scale, crashes, errors, "
        "replay, ping, keygen or stubgen (samovar --help)\n");
    return kUsageError;
  }
  unshield(options.arguments);

  using namespace std::chrono_literals;
  const bool calls = call_command->parsed() || replay_command->parsed();
  const bool takes_long = reload_command->parsed() || scale_command->parsed();
  if (!timeout.empty()) {
    common.timeout = parse_duration(timeout);
  } else if (!calls) {
    common.timeout = takes_long ? 10min : 5s;
  }
  if (names_command->parsed()) return names(common, kind);
  if (keygen_command->parsed()) return keygen(key_name);
  if (call_command->parsed()) return call(common, options);
  if (replay_command->parsed()) return replay(common, file);
  // What follows asks a broker about itself.
  if (common.endpoint.find(',') != std::string::npos || common.endpoint.starts_with("dns+")) {
    std::fprintf(stderr,
                 "samovar: '%s' is several brokers, and this command asks one: --endpoint tcp://HOST:PORT\n",
                 common.endpoint.c_str());
    return kUsageError;
  }
  if (services_command->parsed()) return services(common);
  if (status_command->parsed()) return status(common);
  if (top_command->parsed()) return top(common, once);
  if (reload_command->parsed()) return reload(common, service);
  if (scale_command->parsed()) return scale(common, service, workers);
  if (errors_command->parsed()) return errors(common, service);
  if (crashes_command->parsed()) return crashes(common, service);
  return ping_command->parsed() ? ping(common, count) : kUsageError;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "stubgen") return stubgen(argv + 1);
    return run(argc, argv);
  } catch (const std::invalid_argument& error) {  // an endpoint or a keyword that is none
    std::fprintf(stderr, "samovar: %s\n", error.what());
    return kUsageError;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "internal: %s\n", error.what());
    return exit_code(samovar::Status::internal);
  }
}
