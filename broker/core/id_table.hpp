// Objects by the number that names them: a hash table in one piece of memory, which allocates only when it grows. It
// does not own them. Not thread-safe.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace samovar::broker {

template <typename T>
class IdTable {
 public:
  // Peers choose some of the ids: `secret`, which they do not know, keeps them from choosing ids that collide.
  explicit IdTable(std::uint64_t secret) : secret_(secret) {}

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  T* find(std::uint64_t id) const {
    if (size_ == 0) return nullptr;
    for (std::size_t slot = home(id);; slot = after(slot)) {
      const Entry& entry = entries_[slot];
      if (!entry.value || entry.id == id) return entry.value;
    }
  }

  // There must be none with this id.
  void insert(std::uint64_t id, T& value) {
    if (2 * (size_ + 1) > entries_.size()) grow();
    put({id, &value});
    ++size_;
  }

  // There must be one with this id.
  void erase(std::uint64_t id) {
    std::size_t hole = home(id);
    while (entries_[hole].id != id || !entries_[hole].value) {
      assert(entries_[hole].value);
      hole = after(hole);
    }
    // Those behind move up, unless that takes them before their home.
    for (std::size_t slot = after(hole); entries_[slot].value; slot = after(slot)) {
      const std::size_t at_home = home(entries_[slot].id);
      if (((slot - at_home) & mask()) < ((slot - hole) & mask())) continue;
      entries_[hole] = entries_[slot];
      hole = slot;
    }
    entries_[hole] = {};
    --size_;
  }

  // All of them, in no order.
  std::vector<T*> all() const {
    std::vector<T*> values;
    values.reserve(size_);
    for (const Entry& entry : entries_) {
      if (entry.value) values.push_back(entry.value);
    }
    return values;
  }

 private:
  struct Entry {
    std::uint64_t id = 0;
    T* value = nullptr;
  };
  static constexpr std::size_t kSmallest = 8;

  std::size_t mask() const { return entries_.size() - 1; }
  std::size_t after(std::size_t slot) const { return (slot + 1) & mask(); }
  std::size_t home(std::uint64_t id) const {
    std::uint64_t hash =
        (id ^ secret_) * 0x9e37'79b9'7f4a'7c15;  // 2^64 / golden ratio, and what mixes well with it
    hash ^= hash >> 32;
    hash *= 0xd6e8'feb8'6659'fd93;
    return static_cast<std::size_t>(hash ^ hash >> 32) & mask();
  }

  void put(const Entry& entry) {
    std::size_t slot = home(entry.id);
    while (entries_[slot].value) slot = after(slot);
    entries_[slot] = entry;
  }

  void grow() {
    std::vector<Entry> before(entries_.empty() ? kSmallest : 2 * entries_.size());
    before.swap(entries_);
    for (const Entry& entry : before) {
      if (entry.value) put(entry);
    }
  }

  std::uint64_t secret_;
  std::size_t size_ = 0;
  std::vector<Entry> entries_;  // a power of two of them, at most half of them taken
};

}  // namespace samovar::broker
