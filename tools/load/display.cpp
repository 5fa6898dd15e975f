#include "tools/load/display.hpp"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstdio>

#include "tools/load/quantity.hpp"

namespace samovar::load {
namespace {

constexpr double kPlainLineEvery = 30;  // seconds

}  // namespace

Display::Display(bool quiet, const Progress& progress)
    : progress_(progress), quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

Display::Sums Display::sums() const {
  Sums sums;
  for (const auto& each : progress_.counters) {
    sums.ok += each.ok.load(std::memory_order_relaxed);
    sums.failed += each.failed.load(std::memory_order_relaxed);
    sums.latency_us += each.latency_us.load(std::memory_order_relaxed);
  }
  return sums;
}

void Display::begin(const std::string& title) {
  title_ = title;
  last_ = sums();
  last_seconds_ = 0;
  if (!quiet_ && terminal_) std::fprintf(stderr, "\r\033[K%s ...", title_.c_str());
}

void Display::tick(double seconds) {
  if (quiet_ || seconds <= last_seconds_) return;
  if (!terminal_ && seconds < last_seconds_ + kPlainLineEvery) return;
  const auto now = sums();
  const auto ok = now.ok - last_.ok;
  std::string line = fmt::format("{}, {:.0f} s: {} calls/s", title_, seconds,
                                 rate_in_words(static_cast<double>(ok) / (seconds - last_seconds_)));
  if (ok > 0) {
    line += ", mean " + duration_in_words(static_cast<double>(now.latency_us - last_.latency_us) /
                                          static_cast<double>(ok));
  }
  if (now.failed > last_.failed) line += ", errors " + with_commas(now.failed - last_.failed);
  std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
  last_ = now;
  last_seconds_ = seconds;
}

void Display::clear() {
  if (!quiet_ && terminal_) std::fprintf(stderr, "\r\033[K");
}

}  // namespace samovar::load
