#include "client/connections.hpp"

#include <algorithm>

namespace samovar::client {

void Connections::want(const std::vector<std::string>& endpoints) {
  for (auto& place : places_) {
    if (std::find(endpoints.begin(), endpoints.end(), *place.endpoint) == endpoints.end()) retire(place);
  }
  for (const auto& endpoint : endpoints) {
    const bool is_there = std::any_of(places_.begin(), places_.end(), [&](const Place& place) {
      return !place.leaves && *place.endpoint == endpoint;
    });
    if (!is_there && places_.size() < limits::kMaxLinks) places_.push_back(open(endpoint));
  }
}

Connections::Place Connections::open(const std::string& endpoint) {
  const auto& name = *names_.insert(endpoint).first;
  const auto link = session_.add_link(name);
  try {
    transport_.open(link, name);
  } catch (...) {
    session_.retire(link);
    session_.remove_link(link);
    throw;
  }
  return {link, &name, std::nullopt};
}

void Connections::retire(Place& place) {
  if (place.leaves) return;
  place.leaves = true;
  ++leaving_;
  session_.retire(place.link);
}

void Connections::look(TimePoint now) {
  std::vector<Place> added;
  for (auto& place : places_) {
    const auto is_ready = [this](LinkId link) { return session_.link(link).state == LinkState::ready; };
    if (place.leaves || max_age_ == Duration::zero()) continue;
    if (place.successor) {
      if (is_ready(*place.successor)) retire(place);
      continue;
    }
    if (!is_ready(place.link)) continue;
    if (!place.renew_at) {
      // Between three quarters of the age and five: clients that connected together part.
      const auto age = max_age_ * (0.25 + random_.jitter());
      place.renew_at = now + std::chrono::duration_cast<Duration>(age);
    }
    if (*place.renew_at <= now && places_.size() + added.size() < limits::kMaxLinks) {
      added.push_back(open(*place.endpoint));
      place.successor = added.back().link;
    }
  }
  places_.insert(places_.end(), added.begin(), added.end());
  std::erase_if(places_, [this](const Place& place) {
    if (!place.leaves || !session_.is_over(place.link)) return false;
    transport_.close(place.link);
    session_.remove_link(place.link);
    --leaving_;
    return true;
  });
}

std::optional<TimePoint> Connections::next_deadline() const {
  std::optional<TimePoint> next;
  if (places_.size() >= limits::kMaxLinks)
    return next;  // until one has gone there is no room for its successor
  for (const auto& place : places_) {
    if (place.leaves || place.successor || !place.renew_at) continue;
    if (!next || *place.renew_at < *next) next = place.renew_at;
  }
  return next;
}

}  // namespace samovar::client
