#include "tests/bench/drive/calls.hpp"

#include <unistd.h>

#include <cstdio>
#include <thread>
#include <utility>

namespace samovar::bench {

namespace {

std::vector<Watched> with_myself(std::vector<Watched> others) {
  others.insert(others.begin(), {"client", ::getpid()});
  return others;
}

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

double us(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}

}  // namespace

Calls::Calls(LoopOptions options)
    : options_(std::move(options)),
      processes_(with_myself(options_.watch)),
      began_(options_.outstanding),
      phase_ends_(last_ + options_.warm_up) {}

bool Calls::end(std::size_t slot) {
  last_ = Clock::now();
  if (phase_ == Phase::measuring) {
    latencies_.record(last_ - began_[slot]);
  }
  if (last_ >= phase_ends_ && phase_ != Phase::over) next_phase();
  if (phase_ != Phase::over) return true;
  ++stopped_;
  return false;
}

void Calls::next_phase() {
  if (phase_ == Phase::warm_up) {
    phase_ = Phase::measuring;
    cpu_at_start_ = cpu_ns(processes_);
    start_ = last_ = Clock::now();
    phase_ends_ = start_ + options_.duration;
  } else {
    phase_ = Phase::over;
    stop_ = last_;
    cpu_at_stop_ = cpu_ns(processes_);
  }
}

void Calls::wait_and_begin(std::size_t slot) {
  std::this_thread::sleep_for(options_.pause);
  begin(slot);
}

std::string Calls::report(const std::string& extra) {
  const load::Distribution latencies = latencies_.take();
  const double seconds = std::chrono::duration<double>(stop_ - start_).count();
  const auto calls = static_cast<double>(latencies.count());
  std::string out = "{\"calls\": " + std::to_string(latencies.count());
  out += ", \"seconds\": " + number(seconds);
  out += ", \"rps\": " + number(seconds > 0 ? calls / seconds : 0);
  out += ", \"p50_us\": " + number(latencies.percentile(50) / 1000);
  out += ", \"p90_us\": " + number(latencies.percentile(90) / 1000);
  out += ", \"p99_us\": " + number(latencies.percentile(99) / 1000);
  out += ", \"max_us\": " + number(latencies.max() / 1000);
  out += ", \"cpu_us_per_call\": {";
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    const double used = calls > 0 ? us(cpu_at_stop_[i] - cpu_at_start_[i]) / calls : 0;
    out += (i ? ", \"" : "\"") + processes_[i].name + "\": " + number(used);
  }
  out += "}" + (extra.empty() ? "" : ", " + extra) + "}";
  return out;
}

}  // namespace samovar::bench
