#include "broker/config_file.hpp"

#include <filesystem>
#include <functional>

#include "broker/config_section.hpp"
#include "proto/codec.hpp"
#include "proto/endpoints.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

constexpr int kMostCpus = 1024;

void read_section(Section& top, const std::string& path, const char* name,
                  const std::function<void(Section&)>& read) {
  const auto* node = top.find(name);
  if (!node) return;
  const auto* table = node->as_table();
  if (!table) top.fail(*node, name, "has to be a table");
  Section section(path, std::string(name) + ".", *table);
  read(section);
  section.finish();
}

ServiceOptions read_service(const std::string& path, const std::string& directory, const toml::table& table) {
  ServiceOptions service;
  Section section(path, "service.", table);
  section.text("name", service.name);
  section.text("app", service.app);
  section.text("expose", service.expose);
  section.text("lines", service.lines);
  section.number("workers", service.workers, 1, 1024);
  section.text("directory", service.directory);
  section.text("brokers", service.brokers);
  section.texts("arguments", service.arguments);
  section.finish();
  service.directory = (std::filesystem::path(directory) / service.directory).lexically_normal().string();
  if (!proto::is_name(service.name))
    section.fail(table, "name", "has to be a name in letters, digits, '_', '-', '.'");
  if (service.app.empty() + service.expose.empty() + service.lines.empty() != 2)
    section.fail(table, "app", "or 'expose' or 'lines': one of them has to say what is served");
  if (!service.app.empty() && service.app.find(':') == std::string::npos)
    section.fail(table, "app", "has to be \"module:object\"");
  if (!service.expose.empty() && service.expose.find(':') == std::string::npos)
    section.fail(table, "expose", "has to be \"module:function,function\"");
  if (!service.brokers.empty()) {
    const auto brokers = proto::parse_endpoints(service.brokers);
    if (!brokers.wrong.empty()) section.fail(table, "brokers", brokers.wrong);
    if (brokers.pieces.size() >= limits::kMaxBrokers)
      section.fail(table, "brokers", "can name at most 15: the first of 16 is this samovard");
  }
  return service;
}

void read_table(const toml::table& table, const std::string& path, Options& options) {
  const std::string directory = std::filesystem::absolute(path).parent_path().string();

  Section top(path, "", table);
  top.texts("frontend", options.frontend);
  top.texts("backend", options.backend);
  top.flag("insecure", options.insecure);
  top.numbers("cpus", options.cpus, kMostCpus - 1);
  top.text("worker_command", options.worker_command);
  top.text("state_directory", options.state_directory);
  read_section(top, path, "log", [&](Section& log) {
    log.text("level", options.log.level);
    log.text("format", options.log.format);
  });
  read_section(top, path, "deadlines", [&](Section& deadlines) {
    deadlines.milliseconds("default_timeout_ms", options.core.default_timeout);
    deadlines.milliseconds("max_timeout_ms", options.core.max_timeout);
    deadlines.milliseconds("startup_grace_ms", options.core.startup_grace);
    deadlines.milliseconds("no_worker_grace_ms", options.core.no_worker_grace);
    deadlines.milliseconds("stream_idle_ms", options.core.stream_idle);
    deadlines.milliseconds("drain_grace_ms", options.core.drain_grace);
  });
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  read_section(top, path, "limits", [&](Section& limits) {
    limits.number("max_body", options.core.max_body, 1024, std::int64_t{1} << 31);
    limits.number("max_queued", options.core.max_queued, 1, kMost);
    limits.number("max_queued_bytes", options.core.max_queued_bytes, 1, kMost);
    limits.number("max_outstanding_per_client", options.core.max_outstanding_per_client, 1, kMost);
    limits.number("max_queued_bytes_per_client", options.core.max_queued_bytes_per_client, 1, kMost);
    limits.number("max_requests_per_second_per_client", options.core.max_requests_per_second_per_client, 0,
                  kMost);
    limits.number("max_connections", options.connections.connections, 0, kMost);
    limits.number("max_connections_per_address", options.connections.per_address, 0, kMost);
    limits.number("quarantine_after", options.core.quarantine_after, 0, 1'000'000);
  });
  read_section(top, path, "security", [&](Section& security) {
    const auto file = [&](const char* key, std::string& out) {
      security.text(key, out);
      if (!out.empty()) out = (std::filesystem::path(directory) / out).lexically_normal().string();
    };
    file("key", options.security.key);
    file("allow", options.security.allow);
    file("pool_key", options.security.pool_key);
  });
  read_section(top, path, "http", [&](Section& http) {
    http.text("listen", options.http.listen);
    http.number("max_body", options.http.max_body, 1024, std::int64_t{1} << 31);
    http.number("threads", options.http.threads, 1, 10'000);
    http.texts("required", options.http.required);
    for (const auto& [key, out] :
         {std::pair{"token_file", &options.http.token_file}, {"key", &options.http.key}}) {
      http.text(key, *out);
      if (!out->empty()) *out = (std::filesystem::path(directory) / *out).lexically_normal().string();
    }
  });
  read_section(top, path, "traces", [&](Section& traces) { traces.text("endpoint", options.traces); });
  for_each_block(top, "service", [&](const toml::table& block) {
    options.services.push_back(read_service(path, directory, block));
  });
  top.finish();
}

}  // namespace

void read_config_file(const std::string& path, Options& options) {
  read_table(parse_toml(path), path, options);
}

void read_config(std::string_view text, const std::string& path, Options& options) {
  read_table(parse_toml(text, path), path, options);
}

std::string default_config() {
  const CoreConfig core;
  const http::Options http;
  const auto ms = [](Duration duration) { return std::to_string(to_us(duration) / 1000); };
  return R"(# samovard's configuration: every key, with its default.

# Where clients connect, and where workers and supervisors do. Port 0 takes a free one; ipc:///path works too.
frontend = ["tcp://127.0.0.1:7711"]
backend = ["tcp://127.0.0.1:7712"]

# Without keys ([security]) there is no telling who connects: an address beyond this machine has to be allowed here.
insecure = false

# Run on these CPUs only, with the workers that [[service]] starts; [] is anywhere. All of a call's processes on one CPU
# may shorten the latency of a lone caller (docs/benchmarks.md), and cost the throughput of many.
cpus = []

# How [[service]] blocks start their supervisors; found through PATH.
worker_command = "samovar-worker"

# Where requests are saved that are refused because workers died of them; "" is $STATE_DIRECTORY, $XDG_STATE_HOME/samovar
# or ~/.local/state/samovar.
state_directory = ""

[security]
# With keys (CURVE) all connections are encrypted, and only those whose key is in `allow` are taken (docs/SECURITY.md).
key = ""          # this broker's: samovar keygen NAME makes one; relative to this file
allow = ""        # who may connect and do what; SIGHUP reads it again
pool_key = ""     # that of the workers that [[service]] starts

[log]
level = "info"    # debug, info, warning, error, off
format = "text"   # or "json": one object a line

[deadlines]
default_timeout_ms = )" +
         ms(core.default_timeout) + R"(   # of a request that names none
max_timeout_ms = )" +
         ms(core.max_timeout) + R"(    # a request that asks for more gets this
startup_grace_ms = )" +
         ms(core.startup_grace) + R"(      # so long after the start an unknown service may still come
no_worker_grace_ms = )" +
         ms(core.no_worker_grace) + R"(    # how long a request waits for a first worker
stream_idle_ms = )" +
         ms(core.stream_idle) + R"(       # how long a stream waits for a reader that takes no items
drain_grace_ms = )" +
         ms(core.drain_grace) + R"(       # how long running requests may finish after SIGTERM

[limits]
max_body = )" +
         std::to_string(core.max_body) + R"(                  # bytes of one message, attachments included
max_queued = )" +
         std::to_string(core.max_queued) + R"(                  # requests queued per service
max_queued_bytes = )" +
         std::to_string(core.max_queued_bytes) + R"(         # and their bytes
max_outstanding_per_client = )" +
         std::to_string(core.max_outstanding_per_client) + R"(
max_queued_bytes_per_client = )" +
         std::to_string(core.max_queued_bytes_per_client) + R"(
max_requests_per_second_per_client = )" +
         std::to_string(core.max_requests_per_second_per_client) + R"(   # 0: no limit
max_connections = 0               # beyond it no more clients; 0: nine tenths of the limit of descriptors
max_connections_per_address = 0   # 0: no limit; ipc has no addresses
quarantine_after = )" +
         std::to_string(core.quarantine_after) +
         R"(                  # deaths of workers of which a request is refused; 0: never

[http]
listen = ""               # e.g. "127.0.0.1:7780": a live page, calls as JSON, /metrics, /healthz, /readyz; "": no HTTP
token_file = ""           # callers say its first line as "Authorization: Bearer ..."; "": nothing is asked, on this machine only
key = ""                  # with [security]: the key with which it calls the broker
max_body = )" +
         std::to_string(http.max_body) + R"(       # bytes of the JSON of a call
threads = )" +
         std::to_string(http.threads) + R"(              # calls and streams at the same time; others wait
required = []             # services without which /readyz is not ready; []: those that there are

[traces]
endpoint = ""             # a collector's, e.g. "http://127.0.0.1:4318/v1/traces" (OTLP, JSON): spans of calls with a sampled
                          # traceparent go there; "": nowhere

# A service that samovard starts by itself; as many blocks as you like.
# [[service]]
# name = "ipgeo"
# app = "examples.ipgeo:service"   # module:object, imported from `directory`; or, instead of app:
#                                  #   expose = "jieba:lcut,cut", functions of any module, or
#                                  #   lines = "python3 index.py", a script that answers a line with a line
# workers = 2
# directory = "."                  # relative to this file
# brokers = ""                     # others that its workers serve beside this samovard: a list as of samovar-worker --connect
# arguments = []                   # more for samovar-worker, e.g. ["--hard-timeout", "30"]
)";
}

}  // namespace samovar::broker
