// What keeps retries and hedges from multiplying the load: a share of the calls, saved up to a few.
#pragma once

#include <algorithm>

namespace samovar::client {

class CallBudget {
 public:
  explicit CallBudget(double share) : share_(share) {}

  void earn() { tokens_ = std::min(tokens_ + share_, kMost); }
  bool spend() {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  static constexpr double kMost = 100;
  double share_;
  double tokens_ = 10;  // a client that makes few calls may make each of them again
};

}  // namespace samovar::client
