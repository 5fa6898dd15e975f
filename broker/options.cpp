#include "broker/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "broker/config_file.hpp"
#include "broker/endpoint.hpp"
#include "tools/common/description.hpp"

#ifndef SAMOVAR_VERSION
#define SAMOVAR_VERSION "unknown"
#endif

namespace samovar::broker {
namespace {

constexpr const char* kFrontend = "tcp://127.0.0.1:7711";
constexpr const char* kBackend = "tcp://127.0.0.1:7712";

void check_word(const std::string& key, const std::string& word, std::initializer_list<const char*> known) {
  if (std::find(known.begin(), known.end(), word) != known.end()) return;
  std::string words;
  for (const char* one : known) words += std::string(words.empty() ? "" : ", ") + one;
  throw BadOptions("'" + word + "' is no " + key + "; known: " + words);
}

void check(Options& options) {
  check_word("log level", options.log.level, {"debug", "info", "warning", "error", "off"});
  check_word("log format", options.log.format, {"text", "json"});
  const auto& security = options.security;
  if (security.key.empty() != security.allow.empty()) {
    throw BadOptions(
        "'security.key' and 'security.allow' belong together: the broker's key, and who may connect");
  }
  if (!security.key.empty() && security.pool_key.empty() && !options.services.empty()) {
    throw BadOptions("'security.pool_key' is missing: the workers of [[service]] need a key to connect with");
  }
  if (!options.http.listen.empty() && security.key.empty() != options.http.key.empty()) {
    throw BadOptions(
        "'http.key' and 'security.key' belong together: HTTP calls the broker with a key of its own");
  }
  const bool anyone = security.key.empty() && !options.insecure;
  for (const auto* endpoints : {&options.frontend, &options.backend}) {
    for (const auto& endpoint : *endpoints) check_endpoint(endpoint, !anyone);
  }
  for (std::size_t i = 0; i < options.services.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (options.services[i].name == options.services[j].name) {
        throw BadOptions("service '" + options.services[i].name + "' is configured twice");
      }
    }
    options.core.services.push_back(options.services[i].name);
  }
  options.core.software = std::string("samovard ") + SAMOVAR_VERSION;
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
  CLI::App app{"Samovar's broker: takes requests from clients, balances them over resident Python workers."};
  app.name("samovard");
  Options options;
  std::string config;
  std::vector<std::string> frontend;
  std::vector<std::string> backend;
  std::string log_level;
  std::string log_format;
  std::vector<int> cpus;
  std::string state_directory;
  std::string http;
  std::string traces;
  bool insecure = false;
  bool print_default_config = false;
  app.add_option("--config", config, "A TOML file; --print-default-config shows its keys")->type_name("FILE");
  app.add_option("--frontend", frontend,
                 std::string("Where clients connect; repeatable (default ") + kFrontend + ")")
      ->type_name("ENDPOINT")
      ->allow_extra_args(false);
  app.add_option("--backend", backend,
                 std::string("Where workers connect; repeatable (default ") + kBackend + ")")
      ->type_name("ENDPOINT")
      ->allow_extra_args(false);
  app.add_option("--http", http, "Serve HTTP there as well: calls as JSON, /metrics, /healthz, /readyz")
      ->type_name("HOST:PORT");
  app.add_option("--traces", traces, "Send spans of traced calls to this collector: OTLP over HTTP, JSON")
      ->type_name("URL");
  app.add_flag("--insecure", insecure,
               "Allow endpoints beyond this machine, though nothing tells who connects");
  app.add_option("--cpus", cpus, "Run on these CPUs only, with the workers that it starts (e.g. 0 or 2,3)")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--state-dir", state_directory,
                 "Where refused requests are saved (default $STATE_DIRECTORY, $XDG_STATE_HOME/samovar or "
                 "~/.local/state/samovar)")
      ->type_name("DIRECTORY");
  app.add_option("--log-level", log_level, "debug, info, warning, error or off")->type_name("LEVEL");
  app.add_option("--log-format", log_format, "text or json")->type_name("FORMAT");
  app.add_flag("--print-default-config", print_default_config,
               "Print a configuration file with all defaults, and exit");
  app.set_version_flag("--version", std::string("samovard ") + SAMOVAR_VERSION);
  app.footer(
      "Exit codes: 0 ended by SIGTERM or SIGINT after draining; 143 ended at once by a second one; 2 wrong "
      "options, configuration or endpoints.");
  tools::add_description(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw BadOptions(std::string(error.what()) + " (samovard --help lists the options)");
  }
  if (print_default_config) {
    std::cout << default_config();
    return std::nullopt;
  }

  if (!config.empty()) read_config_file(config, options);
  if (!frontend.empty()) options.frontend = frontend;
  if (!backend.empty()) options.backend = backend;
  if (options.frontend.empty()) options.frontend = {kFrontend};
  if (options.backend.empty()) options.backend = {kBackend};
  if (!http.empty()) options.http.listen = http;
  if (!traces.empty()) options.traces = traces;
  if (!cpus.empty()) options.cpus = cpus;
  if (!state_directory.empty()) options.state_directory = state_directory;
  if (!log_level.empty()) options.log.level = log_level;
  if (!log_format.empty()) options.log.format = log_format;
  options.insecure = options.insecure || insecure;
  check(options);
  return options;
}

}  // namespace samovar::broker
