#include "tools/load/search.hpp"

namespace samovar::load {

std::optional<double> Search::next() const {
  if (found_ || trials_ >= kMostTrials || rate_ < kLowestRate) return std::nullopt;
  return rate_;
}

void Search::tell(bool held) {
  ++trials_;
  if (confirming_) {
    if (held) {
      found_ = rate_;
    } else {
      rate_ *= kConcession;
    }
    return;
  }
  if (held) {
    held_ = rate_;
  } else {
    not_held_ = rate_;
  }
  if (!held_) {
    rate_ *= kDown;
  } else if (!not_held_) {
    rate_ *= kUp;
  } else if (*not_held_ / *held_ > kClose) {
    rate_ = (*held_ + *not_held_) / 2;
  } else {
    rate_ = *held_;
    confirming_ = true;
  }
}

}  // namespace samovar::load
