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
  bool json = false;
  bool verbose = false;
  std::optional<std::chrono::microseconds> timeout;  // none: the method's
};

struct CallOptions {
  std::string method;
  std::vector<std::string> arguments;
  std::vector<std::string> keywords;  // NAME=VALUE
  bool may_run_twice = false;
  bool show_metadata = false;
  bool stream = false;
};

int call(const Common& common, const CallOptions& options);
// Prints each item as it comes; SIGINT and SIGTERM cancel.
int print_stream(Client& client, const CallOptions& options, const Common& common, Packed arguments);
int services(const Common& common);
int status(const Common& common);
int ping(const Common& common, int count);
int reload(const Common& common, const std::string& service);
int scale(const Common& common, const std::string& service, unsigned workers);
// Of all services when none is named.
int crashes(const Common& common, const std::string& service);
// A request that samovard has saved to this file.
int replay(const Common& common, const std::string& path);

}  // namespace samovar::cli
