// samovar call: one call of any method.
#include <cstdio>
#include <string>

#include <samovar/client.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"
#include "tools/common/arguments.hpp"

namespace samovar::cli {
namespace {

using tools::Json;
using tools::parse_argument;
using tools::parse_keywords;
using tools::to_msgpack;

void print(const Metadata& metadata, const std::string& endpoint) {
  std::string text = "ran " + std::to_string(metadata.running.count()) + " us";
  if (metadata.queued) text = "queued " + std::to_string(metadata.queued->count()) + " us, " + text;
  if (!metadata.worker.empty()) text += ", worker " + metadata.worker;
  text += ", attempt " + std::to_string(metadata.attempt);
  if (metadata.endpoint != endpoint) text += ", " + metadata.endpoint;  // one of several
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace

int call(const Common& common, const CallOptions& options) {
  Json arguments = Json::array();
  for (const auto& argument : options.arguments) arguments.push_back(parse_argument(argument));
  const Json keywords = parse_keywords(options.keywords);
  const std::string args = to_msgpack(arguments);
  const std::string kwargs = keywords.empty() ? std::string() : to_msgpack(keywords);

  Client client{common.endpoint, options_of(common)};
  if (options.stream) return print_stream(client, options, common, packed(args, kwargs));
  const auto result =
      client.try_call<Value>(options.method, packed(args, kwargs), Idempotent{options.may_run_twice},
                             affinity(options.affinity), WantMetadata{options.show_metadata});
  if (options.show_metadata) print(result.metadata(), common.endpoint);
  if (!result.ok()) return report(result.error(), common.verbose);
  std::printf("%s\n", result->to_json().c_str());
  if (!result.attachments().empty()) {
    std::size_t bytes = 0;
    for (const auto& attachment : result.attachments()) bytes += attachment.size();
    std::fprintf(stderr, "(and %zu attachments of %zu bytes together)\n", result.attachments().size(), bytes);
  }
  return 0;
}

}  // namespace samovar::cli
