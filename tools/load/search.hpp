// The search for the highest rate that holds: up or down in large steps until one rate held and a higher one did not,
// then between the two, then once more at the best.
#pragma once

#include <optional>

namespace samovar::load {

class Search {
 public:
  explicit Search(double first_rate) : rate_(first_rate) {}

  // The rate to try next; none when the search has ended.
  std::optional<double> next() const;
  // Whether the rate that next() gave held.
  void tell(bool held);

  // The highest rate that held, twice. None until the search has ended.
  std::optional<double> found() const { return found_; }

 private:
  static constexpr int kMostTrials = 40;
  static constexpr double kUp = 2;
  static constexpr double kDown = 0.5;
  static constexpr double kClose = 1.05;       // what held and what did not are no further apart
  static constexpr double kConcession = 0.95;  // what held once only is tried again a little lower
  static constexpr double kLowestRate = 0.1;

  double rate_;
  std::optional<double> held_;      // the highest
  std::optional<double> not_held_;  // the lowest above it
  std::optional<double> found_;
  bool confirming_ = false;
  int trials_ = 0;
};

}  // namespace samovar::load
