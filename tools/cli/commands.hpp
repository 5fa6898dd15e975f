// What `samovar` can do. Each gives the exit code.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <samovar/client.hpp>

namespace samovar::cli {

struct Common {
  std::string endpoint = "tcp://127.0.0.1:7711";
  std::string key_file;
  std::string broker_key_file;
  bool json = false;
  bool verbose = false;
  std::optional<std::chrono::microseconds> timeout;  // none: the method's
};

inline ClientOptions options_of(const Common& common) {
  ClientOptions options;
  options.timeout = common.timeout;
  options.key_file = common.key_file;
  options.broker_key_file = common.broker_key_file;
  return options;
}

struct CallOptions {
  std::string method;
  std::vector<std::string> arguments;
  std::vector<std::string> keywords;  // NAME=VALUE
  bool may_run_twice = false;
  std::string affinity;  // empty: none
  bool show_metadata = false;
  bool stream = false;
};

// Writes NAME.key and NAME.pub.
// Becomes samovar-stubgen, with its arguments behind argv[0].
int stubgen(char** argv);
int keygen(const std::string& name);
int call(const Common& common, const CallOptions& options);
// Prints each item as it comes; SIGINT and SIGTERM cancel.
int print_stream(Client& client, const CallOptions& options, const Common& common, Packed arguments);
int services(const Common& common);
// Of services, or of methods; one a line.
int names(Common common, const std::string& kind);
int status(const Common& common);
// Until q or Ctrl-C on a terminal; else, or with `once`, one frame.
int top(const Common& common, bool once);
int ping(const Common& common, int count);
int reload(const Common& common, const std::string& service);
int scale(const Common& common, const std::string& service, unsigned workers);
// Of all services when none is named.
int crashes(const Common& common, const std::string& service);
// The last errors that callers heard, of all services when none is named.
int errors(const Common& common, const std::string& service);
// A request that samovard has saved to this file.
int replay(const Common& common, const std::string& path);

}  // namespace samovar::cli
