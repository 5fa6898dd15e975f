// The schemas that workers have announced and that callers say they were built against.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace samovar::broker {

// One schema, and what was found when it was compared. Empty: there is none.
class Schema {
 public:
  Schema() = default;
  // `packed` is one msgpack value whose structure has been checked. One that cannot be decoded is as good as none.
  Schema(std::uint64_t hash, std::string packed) : hash_(hash), packed_(std::move(packed)) {}

  std::uint64_t hash() const { return hash_; }
  std::string_view packed() const { return packed_; }
  bool empty() const { return packed_.empty(); }

  // Why a caller with this schema cannot call `method` of workers that have the other; empty: it can. Compares once for
  // each method and schema of workers.
  const std::string& difference_from(const Schema& workers, std::string_view method) const;

 private:
  std::uint64_t hash_ = 0;
  std::string packed_;
  mutable std::uint64_t compared_with_ = 0;
  mutable std::map<std::string, std::string, std::less<>> differences_;  // by method
};

// What a client has declared, by hash: few, since each is built into it.
using Declared = std::map<std::uint64_t, std::unique_ptr<const Schema>>;

}  // namespace samovar::broker
