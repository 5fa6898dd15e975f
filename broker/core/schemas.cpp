#include "broker/core/schemas.hpp"

#include <msgpack.hpp>

#include "broker/core/schema.hpp"

namespace samovar::broker {
namespace {

std::string compare(std::string_view caller, std::string_view workers, std::string_view method) {
  try {
    const auto mine = msgpack::unpack(caller.data(), caller.size());
    const auto theirs = msgpack::unpack(workers.data(), workers.size());
    return incompatibility(mine.get(), theirs.get(), method);
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

const std::string& Schema::difference_from(const Schema& workers, std::string_view method) const {
  if (compared_with_ != workers.hash_) {
    differences_.clear();
    compared_with_ = workers.hash_;
  }
  if (const auto at = differences_.find(method); at != differences_.end()) return at->second;
  const bool known = !empty() && !workers.empty();
  return differences_.emplace(method, known ? compare(packed_, workers.packed_, method) : std::string())
      .first->second;
}

}  // namespace samovar::broker
