// What samovard can be told: on the command line, and in a TOML file. The command line wins.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/core/config.hpp"
#include "http/options.hpp"

namespace samovar::broker {

// A pool that samovard starts by itself: one supervisor with its workers.
struct ServiceOptions {
  std::string name;
  // One of these three: MODULE:OBJECT, what --expose or what --lines of samovar-worker take.
  std::string app;
  std::string expose;
  std::string lines;
  std::uint32_t workers = 1;
  std::string directory;               // where it runs; its modules are imported from here
  std::string brokers;                 // that its workers serve as well: a list of endpoints, or empty
  std::vector<std::string> arguments;  // further ones of samovar-worker
};

struct LogOptions {
  std::string level = "info";
  std::string format = "text";  // or "json": one object a line
};

// Paths; empty: no security.
struct SecurityOptions {
  std::string key;       // the broker's own, both halves
  std::string allow;     // the list of who may connect
  std::string pool_key;  // of the workers that it starts itself
};

struct ConnectionLimits {
  std::size_t connections = 0;  // beyond so many in all no more clients; 0: by the limit of descriptors
  std::size_t per_address = 0;  // 0: no limit
};

struct Options {
  std::vector<std::string> frontend;
  std::vector<std::string> backend;
  bool insecure = false;  // may listen beyond this machine
  std::vector<int> cpus;  // where it and the pools that it starts run; empty: anywhere
  std::string worker_command = "samovar-worker";
  std::string state_directory;  // for what outlives this process; empty: the usual place
  std::vector<ServiceOptions> services;
  SecurityOptions security;
  ConnectionLimits connections;
  http::Options http;
  std::string traces;  // where spans of traced calls go; empty: nowhere
  LogOptions log;
  CoreConfig core;
};

// Wrong options, configuration or endpoints: what() is one sentence that names the thing and the way out.
// The process ends with exit code 2.
class BadOptions : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Empty when the command line asked for something that has been printed (--help, --version,
// --print-default-config). Throws BadOptions.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace samovar::broker
