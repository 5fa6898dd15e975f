#include "broker/core/quarantine.hpp"

#include <algorithm>

#include "broker/core/pack.hpp"
#include "broker/core/service.hpp"
#include "broker/core/siphash.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {

RequestKey Quarantine::key_of(const Method& method, std::string_view body, const Frames& attachments) const {
  SipHash hash(secret_);
  hash.add(method.full_name).add(body);
  for (const auto& frame : attachments) hash.add(frame->bytes());
  return {hash.value(), body.size() + bytes_of(attachments)};
}

// Method::suspects counts its entries: a request of a method that has none is not looked up.
Quarantine::Entries::iterator Quarantine::erase(Entries::iterator at) {
  at->second.method->suspects -= 1;
  return entries_.erase(at);
}

void Quarantine::make_room() {
  if (entries_.size() < limits::kMaxSuspects) return;
  erase(std::min_element(entries_.begin(), entries_.end(),
                         [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
}

bool Quarantine::is_refused(const Entry& entry, TimePoint now) const {
  return after_ > 0 && entry.deaths >= after_ && now - entry.last < limits::kQuarantine;
}

bool Quarantine::strike(Method& method, const RequestKey& key, const Death& death, TimePoint now) {
  if (after_ == 0) return false;
  const auto at = entries_.find(key.hash);
  if (at != entries_.end() && now - at->second.last >= limits::kQuarantine) erase(at);
  if (!entries_.contains(key.hash)) {
    make_room();
    method.suspects += 1;
    entries_[key.hash].method = &method;
  }
  Entry& entry = entries_.at(key.hash);
  entry.key = key;
  entry.deaths += 1;
  entry.last = now;
  entry.death = death;
  return entry.deaths >= after_;
}

const Quarantine::Entry* Quarantine::refuses(const Method& method, const RequestKey& key, TimePoint now) {
  const auto at = entries_.find(key.hash);
  if (at == entries_.end() || at->second.method != &method || at->second.key.bytes != key.bytes)
    return nullptr;
  if (now - at->second.last >= limits::kQuarantine) return erase(at), nullptr;
  return is_refused(at->second, now) ? &at->second : nullptr;
}

void Quarantine::ran_well(const Method& method, const RequestKey& key) {
  const auto at = entries_.find(key.hash);
  if (at != entries_.end() && at->second.method == &method && at->second.key.bytes == key.bytes) erase(at);
}

void Quarantine::another_generation(const Service& service, std::uint64_t generation) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const bool over = at->second.method->service == &service && at->second.death.generation != generation;
    at = over ? erase(at) : std::next(at);
  }
}

void Quarantine::saved(const RequestKey& key, std::string file) {
  const auto at = entries_.find(key.hash);
  if (at != entries_.end()) at->second.file = std::move(file);
}

std::string Quarantine::pack(TimePoint now) const {
  const auto refused = [&](const auto& entry) { return is_refused(entry.second, now); };
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  packer.pack_array(static_cast<std::uint32_t>(std::count_if(entries_.begin(), entries_.end(), refused)));
  for (const auto& at : entries_) {
    if (!refused(at)) continue;
    const Entry& entry = at.second;
    const auto left = limits::kQuarantine - (now - entry.last);
    packer.pack_map(9);
    broker::entry(packer, "method", entry.method->full_name);
    broker::entry(packer, "bytes", entry.key.bytes);
    broker::entry(packer, "deaths", entry.deaths);
    broker::entry(packer, "when", static_cast<double>(entry.death.when_us) / 1e6);
    broker::entry(packer, "worker", entry.death.worker);
    broker::entry(packer, "generation", entry.death.generation);
    broker::entry(packer, "reason", entry.death.reason);
    broker::entry(packer, "left_s", std::chrono::duration<double>(left).count());
    broker::entry(packer, "file", entry.file);
  }
  return {buffer.data(), buffer.size()};
}

}  // namespace samovar::broker
