#include "tests/sim/turns.hpp"

#include <algorithm>
#include <utility>

#include "proto/limits.hpp"
#include "tests/sim/world.hpp"

namespace samovar::sim {

namespace {

double us(Duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

}  // namespace

void Turns::waits(const CallRecord& call) {
  classes_[call.turn_class].waiters[call.line].calls.insert(&call);
}

void Turns::forget(const CallRecord& call) {
  auto& waiters = classes_[call.turn_class].waiters;
  const auto at = waiters.find(call.line);
  if (at == waiters.end()) return;
  at->second.calls.erase(&call);
  if (at->second.calls.empty()) waiters.erase(at);
}

void Turns::forget(const std::string& connection) {
  for (auto& [name, cls] : classes_) {
    std::erase_if(cls.waiters, [&](const auto& waiter) { return waiter.first.starts_with(connection); });
  }
}

void Turns::ended(const CallRecord& call) {
  auto& waiters = classes_[call.turn_class].waiters;
  if (const auto at = waiters.find(call.line); at != waiters.end()) at->second.may_have_passed = true;
  forget(call);
}

void Turns::over() {
  for (auto& [name, cls] : classes_) {
    for (auto& [line, waiter] : cls.waiters) {
      if (std::exchange(waiter.may_have_passed, false)) waiter.begin();
    }
  }
}

void Turns::ran(const std::string& service, double us) {
  auto& least = least_us_.try_emplace(service, sim::us(limits::kMaxHeldWork)).first->second;
  least = std::min(least, us);
}

void Turns::dispatched(const CallRecord& call) {
  Class& cls = classes_[call.turn_class];
  // Nothing tells whether it is the one that came by the connection before.
  if (call.sent_again) {
    cls = {};
    return;
  }
  const double least = least_us_.try_emplace(call.service, us(limits::kMaxHeldWork)).first->second;
  const bool goes_on = cls.in_turn == call.line;
  cls.in_turn = call.line;
  for (auto& [line, waiter] : cls.waiters) {
    if (line == call.line || waiter.may_have_passed) continue;
    if (!goes_on && ++waiter.passed_by[call.line] > 1)
      broken_ = call.echo + " has a second turn before '" + line + "' its first";
    if (!goes_on) waiter.in_row = 0;
    // Two take turns at least.
    if (waiter.in_row * least * 2 >= us(limits::kRound))
      broken_ = call.echo + " goes on with a turn that is over, and '" + line + "' waits";
    waiter.in_row += 1;
  }
  if (const auto at = cls.waiters.find(call.line); at != cls.waiters.end()) at->second.begin();
  forget(call);
}

}  // namespace samovar::sim
