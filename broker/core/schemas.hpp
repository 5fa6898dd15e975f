// The schemas that workers have announced and that callers say they were built against.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

// What the ready workers of one service have announced, and the one among it that counts: that of the highest generation, and of
// those the one that was announced last.
class Announced {
 public:
  struct Announcement {
    std::string pool;  // the token of the worker's supervisor; empty: it has none
    std::uint64_t generation = 0;
    std::uint64_t hash = 0;  // of its schema; 0: it has none
  };

  // A worker is ready. `packed` is as for Schema.
  void add(Announcement what, std::string_view packed);
  // It is ready no more. What the last one had announced goes on to count.
  void remove(const Announcement& what);

  const Schema& current() const { return *current_; }
  std::size_t schemas() const;  // how many different ones
  // Whether they differ in another way than before and after a reload.
  bool conflict() const;

 private:
  struct Entry {
    Announcement what;
    std::shared_ptr<const Schema> schema;
    std::size_t workers = 0;
  };

  std::vector<Entry>::iterator find(const Announcement& what);
  std::shared_ptr<const Schema> known(std::uint64_t hash, std::string_view packed) const;
  void choose();

  std::vector<Entry> entries_;  // what was announced last is the last
  std::shared_ptr<const Schema> current_ = std::make_shared<const Schema>();
};

// What a client has declared, by hash: few, since each is built into it.
using Declared = std::map<std::uint64_t, std::unique_ptr<const Schema>>;

}  // namespace samovar::broker
