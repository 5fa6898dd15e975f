// samovar-bench-drive: one closed loop over one transport; prints one line of JSON. tests/bench/bench.py runs it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "tests/bench/drive/calls.hpp"
#include "tests/bench/drive/transport.hpp"

namespace {

using namespace samovar::bench;

const std::map<std::string, MakeTransport> kTransports = {
    {"zmq", make_zmq},     {"samovar", make_samovar}, {"protocol", make_protocol}, {"stdio", make_stdio},
#ifdef BENCH_WITH_NATS
    {"nats", make_nats},
#endif
#ifdef BENCH_WITH_REDIS
    {"redis", make_redis},
#endif
#ifdef BENCH_WITH_GRPC
    {"grpc", make_grpc},
#endif
};

Watched watched(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos) throw CLI::ValidationError("--watch", "write NAME=PID");
  return {text.substr(0, equals), std::stoi(text.substr(equals + 1))};
}

}  // namespace

int main(int argc, char** argv) {
  std::string name;
  TransportOptions transport_options;
  LoopOptions loop;
  std::vector<std::string> watch;
  double warm_up = 0.2;
  double duration = 0.5;
  long pause_us = 0;
  bool wait = false;
  bool list = false;

  CLI::App app{"One closed loop over one transport.", "samovar-bench-drive"};
  app.add_option("--transport", name);
  app.add_option("--endpoint", transport_options.endpoint);
  app.add_option("--outstanding", loop.outstanding);
  app.add_option("--connections", transport_options.connections);
  app.add_option("--frames", transport_options.frames);
  app.add_option("--body", transport_options.body, "bytes; 0: the look-up");
  app.add_flag("--attachment", transport_options.attachment);
  app.add_flag("--decode", transport_options.decode, "the answer, into a struct (samovar)");
  app.add_option("--warm-up", warm_up, "seconds");
  app.add_option("--duration", duration, "seconds");
  app.add_option("--pause-us", pause_us, "between calls");
  app.add_option("--watch", watch, "NAME=PID: whose CPU time is measured");
  app.add_flag("--wait", wait, "print \"connected\" and begin after a line on stdin");
  app.add_flag("--list", list, "print the transports and end");
  app.add_option("command", transport_options.command, "of stdio, after --");
  CLI11_PARSE(app, argc, argv);

  try {
    if (list) {
      for (const auto& [each, make] : kTransports) std::puts(each.c_str());
      return 0;
    }
    const auto make = kTransports.find(name);
    if (make == kTransports.end()) throw std::invalid_argument("no such transport: " + name);
    for (const auto& each : watch) loop.watch.push_back(watched(each));
    loop.warm_up = std::chrono::microseconds(static_cast<long>(warm_up * 1e6));
    loop.duration = std::chrono::microseconds(static_cast<long>(duration * 1e6));
    loop.pause = std::chrono::microseconds(pause_us);

    ::alarm(static_cast<unsigned>(warm_up + duration) + 90);  // an answer that never comes
    Payload payload(transport_options.body);
    const auto transport = make->second(transport_options);
    for (const auto& child : transport->children()) loop.watch.push_back(child);
    if (wait) {
      std::puts("connected");
      std::fflush(stdout);
      if (std::getchar() == EOF) return 1;
    }
    Calls calls(loop);
    transport->run(calls, payload);
    std::puts(calls.report("").c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovar-bench-drive: %s\n", error.what());
    return 1;
  }
}
