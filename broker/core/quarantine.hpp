// Requests that were running when workers died. One that was so often enough is refused, and so are equal ones, until
// another generation of its service is ready or some time has passed; one that runs well in between starts anew.
// Bounded: beyond it those are forgotten whose last death is longest ago. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/core/deaths.hpp"
#include "broker/core/types.hpp"

namespace samovar::broker {

struct Method;
struct Service;

// Equal requests have the same: of method, args and kwargs, and attachments.
struct RequestKey {
  std::uint64_t hash = 0;
  std::size_t bytes = 0;
};

// A request as it is saved for a later trial, when it is refused for the first time.
struct Poisoned {
  RequestKey key;
  std::string method;
  std::string body;  // msgpack: args and kwargs, one after the other
  Frames attachments;
  std::uint32_t deaths = 0;
  Death death;  // the last
};

class Quarantine {
 public:
  struct Entry {
    RequestKey key;
    Method* method = nullptr;
    std::uint32_t deaths = 0;
    TimePoint last{};
    Death death;       // the last one
    std::string file;  // where the request was saved; empty: nowhere
  };

  // `after` so many deaths a request is refused; 0: never. `secret` keeps peers from aiming at the hash.
  Quarantine(std::uint64_t secret, std::uint32_t after) : secret_(secret), after_(after) {}

  RequestKey key_of(const Method& method, std::string_view body, const Frames& attachments) const;

  // It was running at this death. True when it is to be refused from now on.
  bool strike(Method& method, const RequestKey& key, const Death& death, TimePoint now);
  // The reason why such a request is refused, or nullptr.
  const Entry* refuses(const Method& method, const RequestKey& key, TimePoint now);
  void ran_well(const Method& method, const RequestKey& key);
  void another_generation(const Service& service, std::uint64_t generation);
  void saved(const RequestKey& key, std::string file);

  // An array of maps: what is refused.
  std::string pack(TimePoint now) const;
  std::size_t size() const { return entries_.size(); }

 private:
  using Entries = std::unordered_map<std::uint64_t, Entry>;
  Entries::iterator erase(Entries::iterator at);
  void make_room();
  bool is_refused(const Entry& entry, TimePoint now) const;

  const std::uint64_t secret_;
  const std::uint32_t after_;
  Entries entries_;  // by hash
};

}  // namespace samovar::broker
