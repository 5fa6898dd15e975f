// samovard's configuration. Input: the text of its TOML file. What is wrong in it is said in one sentence, with the line.
#include <string>

#include "broker/config_file.hpp"
#include "broker/endpoint.hpp"
#include "proto/codec.hpp"
#include "tests/fuzz/target.hpp"

namespace samovar::fuzz {
namespace {

using namespace samovar::broker;

void check(const Options& options) {
  for (const auto& service : options.services) {
    expect(proto::is_name(service.name), "a service has a name");
    expect(service.workers >= 1 && service.workers <= 1024, "workers are within their limits");
    expect(service.app.empty() + service.expose.empty() + service.lines.empty() == 2, "one thing is served");
  }
  expect(options.core.max_body >= 1024, "a message has room");
  expect(options.core.default_timeout >= Duration{}, "time goes forward");
  for (const auto& endpoint : options.frontend) check_endpoint(endpoint, options.insecure);
}

}  // namespace
}  // namespace samovar::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samovar;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  broker::Options options;
  try {
    broker::read_config(text, "/etc/samovard.toml", options);
    fuzz::check(options);
  } catch (const broker::BadOptions& error) {
    fuzz::expect(*error.what() != '\0', "what is wrong is said");
  }
  return 0;
}
