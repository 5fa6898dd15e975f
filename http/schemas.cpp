#include "http/schemas.hpp"

namespace samovar::http {

using namespace std::chrono_literals;

std::shared_ptr<const Schema> Schemas::of(const std::string& service) {
  const auto now = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    const auto at = known_.find(service);
    if (at != known_.end() && now - at->second.since < kFresh) return at->second.schema;
  }
  const auto result = client_.try_call<Value>("samovar.schema", service, timeout(1s));
  auto schema = std::make_shared<const Schema>(result.ok() ? tools::parse_json(result->to_json()).value()
                                                           : tools::Json());
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMost) known_.clear();
  known_[service] = {now, schema};
  return schema;
}

}  // namespace samovar::http
