// samovard: options, log, server.
#include <spdlog/spdlog.h>

#include <cstdio>
#include <memory>

#include "broker/host.hpp"
#include "broker/log.hpp"
#include "broker/manager.hpp"
#include "broker/options.hpp"
#include "broker/server.hpp"
#include "http/server.hpp"

namespace samovar::broker {
namespace {

// Null when none is wanted.
std::unique_ptr<http::Server> serve_http(const Options& options, const Server& server) {
  if (options.http.listen.empty()) return nullptr;
  try {
    return std::make_unique<http::Server>(options.http, server.frontend(), options.security.key);
  } catch (const http::CannotServe& error) {
    throw BadOptions(error.what());
  }
}

int run(const Options& options) {
  use_cpus(options.cpus);
  keep_freed_memory();
  open_log(options.log);
  seed_routing_ids();
  raise_descriptor_limit();
  ServiceManager manager;
  Server server(options, take_signals(), manager);
  const auto http = serve_http(options, server);
  const std::string beside = http ? ", http " + http->address() : "";
  std::fprintf(stderr, "%s%s\n", server.ready_line().c_str(), beside.c_str());
  manager.ready();
  return server.run();
}

}  // namespace
}  // namespace samovar::broker

int main(int argc, char** argv) {
  using namespace samovar::broker;
  try {
    const auto options = parse_options(argc, argv);
    return options ? run(*options) : 0;
  } catch (const BadOptions& error) {
    std::fprintf(stderr, "samovard: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovard: %s\n", error.what());
    return 1;
  }
}
