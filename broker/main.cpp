// samovard: options, log, server.
#include <spdlog/spdlog.h>

#include <cstdio>

#include "broker/host.hpp"
#include "broker/log.hpp"
#include "broker/manager.hpp"
#include "broker/options.hpp"
#include "broker/server.hpp"

int main(int argc, char** argv) {
  using namespace samovar::broker;
  try {
    const auto options = parse_options(argc, argv);
    if (!options) return 0;
    use_cpus(options->cpus);
    keep_freed_memory();
    open_log(options->log);
    seed_routing_ids();
    raise_descriptor_limit();
    ServiceManager manager;
    Server server(*options, take_signals(), manager);
    std::fprintf(stderr, "%s\n", server.ready_line().c_str());
    manager.ready();
    return server.run();
  } catch (const BadOptions& error) {
    std::fprintf(stderr, "samovard: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovard: %s\n", error.what());
    return 1;
  }
}
