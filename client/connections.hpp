// Which links there are: one to each broker that is known. A link that is older than `max_age` is made anew, so that behind
// an address which stands for many brokers those that came later get their share; the old one goes when the new one is ready
// and its last call has ended.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/random.hpp"
#include "client/session.hpp"
#include "client/transport.hpp"

namespace samovar::client {

class Connections {
 public:
  // A `max_age` of zero: links do not age.
  Connections(Session& session, Transport& transport, Duration max_age, std::uint64_t seed)
      : session_(session), transport_(transport), max_age_(max_age), random_(seed) {}

  // These brokers and no others, of which limits::kMaxLinks get a link. Throws what Transport::open() throws.
  void want(const std::vector<std::string>& endpoints);
  // After Session::tick().
  void tick(TimePoint now) {
    if (max_age_ > Duration::zero() || leaving_ > 0) look(now);
  }
  std::optional<TimePoint> next_deadline() const;

 private:
  struct Place {
    LinkId link;
    const std::string* endpoint;
    std::optional<TimePoint> renew_at;     // once it is ready
    std::optional<LinkId> successor = {};  // being made
    bool leaves = false;
  };

  Place open(const std::string& endpoint);
  void retire(Place& place);
  void look(TimePoint now);

  Session& session_;
  Transport& transport_;
  const Duration max_age_;
  Random random_;
  std::vector<Place> places_;
  std::size_t leaving_ = 0;
  std::set<std::string> names_;  // of all endpoints ever: results and errors name them
};

}  // namespace samovar::client
