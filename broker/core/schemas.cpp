#include "broker/core/schemas.hpp"

#include <algorithm>
#include <msgpack.hpp>
#include <set>

#include "broker/core/schema.hpp"
#include "proto/limits.hpp"

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

// --- what workers announce -------------------------------------------------------------------------------

void Announced::add(Announcement what, std::string_view packed) {
  Entry entry{std::move(what), nullptr, 1};
  if (const auto at = find(entry.what); at != entries_.end()) {
    entry = std::move(*at);
    entry.workers += 1;
    entries_.erase(at);
  } else {
    entry.schema = known(entry.what.hash, packed);
  }
  if (entries_.size() >= limits::kMaxAnnounced) entries_.erase(entries_.begin());
  entries_.push_back(std::move(entry));
  choose();
}

void Announced::remove(const Announcement& what) {
  const auto at = find(what);
  if (at == entries_.end() || --at->workers > 0) return;
  entries_.erase(at);
  choose();
}

std::size_t Announced::schemas() const {
  std::set<std::uint64_t> hashes;
  for (const auto& entry : entries_) {
    if (entry.what.hash != 0) hashes.insert(entry.what.hash);
  }
  return hashes.size();
}

bool Announced::conflict() const {
  const auto differ = [](const Announcement& one, const Announcement& other) {
    const bool reload = one.pool == other.pool && !one.pool.empty() && one.generation != other.generation;
    return one.hash != other.hash && one.hash != 0 && other.hash != 0 && !reload;
  };
  for (const auto& one : entries_) {
    for (const auto& other : entries_) {
      if (differ(one.what, other.what)) return true;
    }
  }
  return false;
}

std::vector<Announced::Entry>::iterator Announced::find(const Announcement& what) {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.what.hash == what.hash && entry.what.generation == what.generation &&
           entry.what.pool == what.pool;
  });
}

// One schema for all that have announced it, with what has been compared.
std::shared_ptr<const Schema> Announced::known(std::uint64_t hash, std::string_view packed) const {
  if (current_->hash() == hash) return current_;
  for (const auto& entry : entries_) {
    if (entry.what.hash == hash) return entry.schema;
  }
  return std::make_shared<const Schema>(hash, std::string(packed));
}

void Announced::choose() {
  const Entry* chosen = nullptr;
  for (const auto& entry : entries_) {
    if (!chosen || entry.what.generation >= chosen->what.generation) chosen = &entry;
  }
  if (chosen) current_ = chosen->schema;
}

}  // namespace samovar::broker
