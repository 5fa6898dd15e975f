#include "client/resolver.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "client/call.hpp"
#include "client/limits.hpp"
#include "client/signals_blocked.hpp"

namespace samovar::client {

// The thread's, which may outlive the resolver by the time of a look-up.
struct Resolver::Shared {
  const Endpoints endpoints;
  const LookUp look_up;
  std::mutex mutex;
  std::condition_variable changed;
  Found found;  // empty: nobody listens any more
  bool hurry = false;
  std::vector<std::vector<std::string>> known;  // by name; the thread's

  Shared(Endpoints where, Found tell, LookUp how)
      : endpoints(std::move(where)),
        look_up(std::move(how)),
        found(std::move(tell)),
        known(endpoints.names.size()) {}

  void run() {
    std::vector<std::string> told;
    std::string told_why;
    for (;;) {
      std::string why;
      auto now = look(why);
      std::unique_lock lock(mutex);
      if (!found) return;
      if (now != told || (now.empty() && why != told_why)) {
        told = now;
        told_why = why;
        found(std::move(now), std::move(why));
      }
      if (changed.wait_for(lock, limits::kLookUpPause, [this] { return !found; })) return;
      // A name without an address is a broker that is not there yet.
      const auto pause = told.empty() ? limits::kLookUpPause : limits::kLookUpAgain;
      if (changed.wait_for(lock, pause, [this] { return !found || hurry; }) && !found) return;
      hurry = false;
    }
  }

  std::vector<std::string> look(std::string& why) {
    auto all = endpoints.fixed;
    for (std::size_t i = 0; i < endpoints.names.size(); ++i) {
      try {
        known[i] = look_up(endpoints.names[i]);
      } catch (const std::exception& error) {
        why = error.what();
      }
      all.insert(all.end(), known[i].begin(), known[i].end());
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }
};

Resolver::Resolver(Endpoints endpoints, Found found, LookUp look_up)
    : shared_(std::make_shared<Shared>(std::move(endpoints), std::move(found), std::move(look_up))) {
  const SignalsBlocked blocked;
  std::thread([shared = shared_] { shared->run(); }).detach();
}

void Resolver::stop() {
  const std::lock_guard lock(shared_->mutex);
  shared_->found = nullptr;
  shared_->changed.notify_one();
}

void Resolver::hurry() {
  const std::lock_guard lock(shared_->mutex);
  shared_->hurry = true;
  shared_->changed.notify_one();
}

}  // namespace samovar::client
