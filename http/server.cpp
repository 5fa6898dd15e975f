#include "http/server.hpp"

#include <httplib.h>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include <samovar/client.hpp>

#include "http/address.hpp"
#include "http/listener.hpp"
#include "http/metrics.hpp"
#include "http/openapi.hpp"
#include "http/order.hpp"
#include "http/page.hpp"
#include "http/problem.hpp"
#include "http/recorder.hpp"
#include "http/schemas.hpp"
#include "tools/common/arguments.hpp"

namespace samovar::http {
namespace {

using namespace std::chrono_literals;
using tools::Json;

constexpr const char* kJson = "application/json";
constexpr const char* kProblem = "application/problem+json";
constexpr const char* kPrometheus = "text/plain; version=0.0.4; charset=utf-8";
// Health is asked for by those who have little patience.
constexpr auto kHealthTimeout = 800ms;

std::string read_token(const std::string& path) {
  std::string token;
  std::ifstream file(path);
  if (!std::getline(file, token) || token.empty())
    throw CannotServe("cannot read a token from the first line of '" + path + "' (http.token_file)");
  return token;
}

// Takes as long for any text of the same length.
bool is_equal(const std::string& left, const std::string& right) {
  unsigned difference = left.size() != right.size();
  for (std::size_t i = 0; i < left.size() && i < right.size(); ++i)
    difference |= static_cast<unsigned char>(left[i] ^ right[i]);
  return difference == 0;
}

void answer(httplib::Response& response, const Problem& problem) {
  response.status = problem.status;
  if (problem.retry_after_s) response.set_header("Retry-After", std::to_string(*problem.retry_after_s));
  response.set_content(problem.body, kProblem);
}

// What is to be called, and what is known of it.
struct Target {
  std::string full_name;
  std::string name;  // without the service
  std::shared_ptr<const Schema> schema;

  Order order(const httplib::Request& request) const {
    return Order::read(
        request.body, [&](const char* header) { return request.get_header_value(header); }, *schema, name);
  }
  std::string shown(const Value& value) const {
    std::string text = value.to_json();
    // Few results have what the schema could say more of.
    if (text.find("{\"$bytes\"") == std::string::npos && text.find("{\"$timestamp\"") == std::string::npos)
      return text;
    Json json = tools::parse_json(text).value();
    schema->show_result(name, json);
    return json.dump();
  }
};

bool is_of_page(const std::string& path) {
  const auto files = page_files();
  return path == "/" ||
         std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.path == path; });
}

// A stream that is being sent; it ends when its reader hangs up.
struct Reading {
  Reading(Stream<Value> stream, Listener& server)
      : items(std::move(stream)), watch(server.when_caller_hangs_up([this] { items.cancel(); })) {}

  Stream<Value> items;
  std::optional<Value> next;
  const Hangups::Watch watch;
};

// One of a stream of server-sent events.
std::string event_of(const char* event, const std::string& data) {
  return (*event ? std::string("event: ") + event + '\n' : std::string()) + "data: " + data + "\n\n";
}

}  // namespace

struct Server::Impl {
  const Options options;
  const std::string token;
  const Address address;
  std::string url;
  Client client;
  Schemas schemas{client};
  Recorder recorder;
  Listener server;
  std::thread thread;

  Impl(const Options& given, const std::string& broker, const std::string& broker_key)
      : options(given),
        token(given.token_file.empty() ? "" : read_token(given.token_file)),
        address(Address::parse(given.listen)),
        client(broker, client_options("http", broker_key)),
        recorder(broker, client_options("http page", broker_key)) {
    if (!is_loopback(address.host) && token.empty()) {
      throw CannotServe("'" + options.listen +
                        "' is beyond this machine, where callers have to say a token (http.token_file)");
    }
    server.new_task_queue = [this] { return new httplib::ThreadPool(options.threads); };
    server.set_payload_max_length(options.max_body);
    server.set_read_timeout(5s);
    server.set_write_timeout(5s);
    server.set_keep_alive_timeout(5);
    server.set_tcp_nodelay(true);
    // Its default would let a second server share the port.
    server.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    routes();
    const int port = address.port == 0 ? server.bind_to_any_port(address.host) : address.port;
    if (port <= 0 || (address.port != 0 && !server.bind_to_port(address.host, address.port))) {
      throw CannotServe("cannot listen on '" + options.listen + "' for HTTP: is it in use? (http.listen)");
    }
    url = address.url(port);
    thread = std::thread([this] { server.listen_after_bind(); });
    // Until then end() would do nothing, and its thread listen for ever.
    while (!server.is_running()) std::this_thread::yield();
  }

  ClientOptions client_options(const char* name, const std::string& broker_key) const {
    return {.name = name, .key_file = options.key, .broker_key_file = broker_key};
  }

  ~Impl() {
    server.end();
    thread.join();
  }

  // What the page is made of, for anybody: there is nothing in it but the program.
  void page() {
    for (const PageFile& file : page_files()) {
      server.Get(std::string(file.path), [&file](const auto&, auto& response) {
        response.set_header("Content-Security-Policy", kPagePolicy);
        response.set_header("Referrer-Policy", "no-referrer");
        response.set_header("Cache-Control", "no-cache");
        response.set_content(file.content.data(), file.content.size(), std::string(file.type));
      });
    }
  }

  void routes() {
    server.set_default_headers({{"X-Content-Type-Options", "nosniff"}});
    page();
    server.set_pre_routing_handler([this](const auto& request, auto& response) {
      return admits(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                       : httplib::Server::HandlerResponse::Handled;
    });
    server.Post(R"(/v1/call/([^/]+))",
                [this](const auto& request, auto& response) { call(request, response); });
    server.Post(R"(/v1/stream/([^/]+))",
                [this](const auto& request, auto& response) { stream(request, response); });
    server.Get("/v1/services", [this](const auto&, auto& response) { show("samovar.services", response); });
    server.Get("/v1/status", [this](const auto&, auto& response) { show("samovar.status", response); });
    server.Get("/v1/crashes", [this](const auto&, auto& response) { show("samovar.crashes", response); });
    server.Get("/v1/errors", [this](const auto&, auto& response) { show("samovar.errors", response); });
    server.Get(R"(/v1/schema/([^/]+))", [this](const auto& request, auto& response) {
      show("samovar.schema", response, std::string(request.matches[1]));
    });
    server.Get("/openapi.json", [this](const auto&, auto& response) { openapi(response); });
    server.Get("/v1/live", [this](const auto& request, auto& response) { live(request, response); });
    server.Get("/", [](const auto&, auto& response) {  // where there is a page, it comes first
      response.status = 404;
      response.set_content(kNoPage, "text/plain");
    });
    server.Get("/metrics", [this](const auto&, auto& response) { metrics(response); });
    server.Get("/healthz", [this](const auto&, auto& response) { health(response); });
    server.Get("/readyz", [this](const auto&, auto& response) { readiness(response); });
    server.set_error_handler([](const auto& request, auto& response) {
      if (!response.body.empty()) return;
      const std::string what = request.method + ' ' + request.path;
      if (response.status == 413)
        return answer(response, problem_of(413, "too_large", "the body is too large"));
      if (response.status == 404)
        return answer(response,
                      problem_of(404, "bad_request",
                                 "there is no " + what + "; calls are POST /v1/call/SERVICE.METHOD"));
      answer(response, problem_of(response.status, "bad_request", what + " was not understood"));
    });
    server.set_exception_handler([](const auto&, auto& response, std::exception_ptr) {
      answer(response, problem_of(500, "internal", "a defect of samovard"));
    });
  }

  // Health is for anybody. A page of somebody else's that has this machine's name resolved to here says another Host.
  bool admits(const httplib::Request& request, httplib::Response& response) const {
    if (request.path == "/healthz" || request.path == "/readyz") return true;
    if (!token.empty()) {
      if (is_of_page(request.path)) return true;
      if (is_equal(request.get_header_value("Authorization"), "Bearer " + token)) return true;
      response.set_header("WWW-Authenticate", "Bearer");
      return answer(response, problem_of(401, "unauthorized", "say Authorization: Bearer TOKEN")), false;
    }
    const auto host = host_of(request.get_header_value("Host"));
    if (is_loopback(host) || host == address.host) return true;
    return answer(response, problem_of(403, "unauthorized", "'" + host + "' is not this server's name")),
           false;
  }

  Target target_of(const httplib::Request& request) {
    const std::string method = request.matches[1];
    const auto dot = method.rfind('.');
    const std::string service = dot == std::string::npos ? "samovar" : method.substr(0, dot);
    // The broker's own methods have no schema.
    if (service == "samovar") return {method, method, std::make_shared<const Schema>(Json())};
    return {method, method.substr(dot + 1), schemas.of(service)};
  }

  void call(const httplib::Request& request, httplib::Response& response) {
    try {
      const Target target = target_of(request);
      const Order order = target.order(request);
      const std::string& method = target.full_name;
      auto future = order.with_options(
          [&](const auto&... said) { return client.async_call<Value>(method, said..., WantMetadata{true}); });
      {
        const auto watch = server.when_caller_hangs_up([&future] { future.cancel(); });
        future.wait();
      }
      const auto result = future.result();
      if (!result.ok()) return answer(response, problem_of(result.error()));
      const auto& metadata = result.metadata();
      response.set_header("Samovar-Worker", metadata.worker);
      response.set_header("Samovar-Run-Us", std::to_string(metadata.running.count()));
      if (metadata.queued) response.set_header("Samovar-Queued-Us", std::to_string(metadata.queued->count()));
      response.set_content(target.shown(*result), kJson);
    } catch (const Problem& problem) {
      answer(response, problem);
    }
  }

  // Server-sent events: the items, then `end`, or `error` with a problem.
  void stream(const httplib::Request& request, httplib::Response& response) {
    try {
      const Target target = target_of(request);
      const Order order = target.order(request);
      const std::string& method = target.full_name;
      const auto reading = std::make_shared<Reading>(
          order.with_options([&](const auto&... said) { return client.stream<Value>(method, said...); }),
          server);
      try {
        reading->next = reading->items.next();  // what fails before its first item has a status of its own
      } catch (const Error& error) {
        return answer(response, problem_of(error));
      }
      response.set_header("Cache-Control", "no-store");
      response.set_chunked_content_provider("text/event-stream", [reading, target](std::size_t, auto& sink) {
        return send_item(*reading, target, sink);
      });
    } catch (const Problem& problem) {
      answer(response, problem);
    }
  }

  static bool send_item(Reading& reading, const Target& target, httplib::DataSink& sink) {
    const auto send = [&sink](const std::string& text) { return sink.write(text.data(), text.size()); };
    if (!reading.next) {
      send(event_of("end", "null"));
      sink.done();
      return true;
    }
    if (!send(event_of("", target.shown(*reading.next))))
      return false;  // the reader has gone: the stream is cancelled
    try {
      reading.next = reading.items.next();
    } catch (const Error& error) {
      send(event_of("error", problem_of(error).body));
      sink.done();
    }
    return true;
  }

  template <typename... Arguments>
  void show(const char* method, httplib::Response& response, const Arguments&... arguments) {
    const auto result = client.try_call<Value>(method, arguments...);
    if (!result.ok()) return answer(response, problem_of(result.error()));
    response.set_content(result->to_json(), kJson);
  }

  void openapi(httplib::Response& response) {
    const auto result = client.try_call<Value>("samovar.services");
    if (!result.ok()) return answer(response, problem_of(result.error()));
    std::vector<Described> services;
    for (const auto& service : Json::parse(result->to_json())) {
      const std::string name = service.value("name", "");
      services.push_back({name, service.value("methods", std::vector<std::string>()), *schemas.of(name)});
    }
    response.set_content(openapi_of(services, SAMOVAR_VERSION, !token.empty()).dump(), kJson);
  }

  void live(const httplib::Request& request, httplib::Response& response) const {
    std::uint64_t after = 0;
    const auto text = request.get_param_value("after");
    const auto read = std::from_chars(text.data(), text.data() + text.size(), after);
    if (read.ec != std::errc() && !text.empty())
      return answer(response, problem_of(400, "bad_request", "after: '" + text + "' is no number"));
    response.set_header("Cache-Control", "no-store");
    response.set_content(recorder.since(after).dump(-1, ' ', false, Json::error_handler_t::replace), kJson);
  }

  void metrics(httplib::Response& response) {
    const auto result = client.try_call<Value>("samovar.status", timeout(5s));
    if (!result.ok()) return answer(response, problem_of(result.error()));
    response.set_content(metrics_of(Json::parse(result->to_json())), kPrometheus);
  }

  void health(httplib::Response& response) {
    const auto result = client.try_call<Value>("samovar.ping", timeout(kHealthTimeout));
    if (!result.ok()) return answer(response, problem_of(503, "unavailable", result.error().message()));
    response.set_content(R"({"status":"ok"})", kJson);
  }

  // Ready: each required service has a worker that is; without any, each that is known.
  void readiness(httplib::Response& response) {
    const auto result = client.try_call<Value>("samovar.services", timeout(kHealthTimeout));
    if (!result.ok()) return answer(response, problem_of(503, "unavailable", result.error().message()));
    Json states = Json::object();
    for (const auto& name : options.required) states[name] = "missing";
    for (const auto& service : Json::parse(result->to_json())) {
      const std::string name = service.value("name", "");
      if (options.required.empty() || states.contains(name)) states[name] = service.value("state", "");
    }
    bool ready = true;
    for (const auto& state : states) ready = ready && state == "ready";
    response.status = ready ? 200 : 503;
    const Json body{{"status", ready ? "ready" : "not ready"}, {"services", states}};
    response.set_content(body.dump(), kJson);
  }
};

Server::Server(const Options& options, const std::string& broker, const std::string& broker_key) {
  try {
    impl_ = std::make_unique<Impl>(options, broker, broker_key);
  } catch (const std::invalid_argument& error) {
    throw CannotServe(error.what());
  }
}

Server::~Server() = default;

const std::string& Server::address() const {
  return impl_->url;
}

}  // namespace samovar::http
