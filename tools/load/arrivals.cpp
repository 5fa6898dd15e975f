#include "tools/load/arrivals.hpp"

#include <cmath>

namespace samovar::load {
namespace {

// When `calls` calls have been made: the inverse of from * t + (to - from) / duration * t^2 / 2.
double seconds_until(double calls, Rates rates, double duration_s) {
  if (rates.from == rates.to) return calls / rates.from;
  const double growth = (rates.to - rates.from) / duration_s;
  const double inner = rates.from * rates.from + 2 * growth * calls;
  if (inner < 0) return duration_s;  // a rate that falls never makes so many calls
  // Not (sqrt(inner) - from) / growth, which loses its digits where growth is small.
  return 2 * calls / (rates.from + std::sqrt(inner));
}

}  // namespace

Arrivals::Arrivals(Rates rates, Nanoseconds duration, Spacing spacing, std::uint64_t seed, unsigned share,
                   unsigned shares)
    : rates_(rates),
      duration_s_(std::chrono::duration<double>(duration).count()),
      spacing_(spacing),
      step_(shares),
      calls_(spacing == Spacing::even ? share : 0),
      random_(seed * 0x9e3779b97f4a7c15U + share) {
  if (spacing_ == Spacing::poisson) calls_ += gap_(random_) * step_;
}

std::optional<Nanoseconds> Arrivals::next() {
  const double at = calls_ == 0 ? 0 : seconds_until(calls_, rates_, duration_s_);
  if (at >= duration_s_) return std::nullopt;
  calls_ += spacing_ == Spacing::even ? step_ : gap_(random_) * step_;
  return Nanoseconds(std::llround(at * 1e9));
}

}  // namespace samovar::load
