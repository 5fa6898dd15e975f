// No client starves: of those that wait in one class of a service, none has a second turn before another has had its
// first, and no turn is longer than limits::kRound leaves to each. It knows calls that are not shared only.
#pragma once

#include <map>
#include <set>
#include <string>

namespace samovar::sim {

struct CallRecord;

class Turns {
 public:
  // In the order in which the broker decided. What waits, waits for what is decided after it.
  void dispatched(const CallRecord& call);
  // An end without a run, before or after those: its client's turn may have passed with it.
  void ended(const CallRecord& call);
  // All have been told that were decided at this time.
  void over();
  void waits(const CallRecord& call);
  void forget(const CallRecord& call);
  // All calls of one connection.
  void forget(const std::string& connection);
  // A reply said how long something ran: what the broker takes a request for is no less than the least of them.
  void ran(const std::string& service, double us);
  // What broke, or empty.
  const std::string& broken() const { return broken_; }

 private:
  struct Waiter {
    std::set<const CallRecord*> calls;
    std::map<std::string, int> passed_by;  // turns of others, by line
    int in_row = 0;                        // of the turn that lasts
    bool may_have_passed = false;
    void begin() {
      passed_by.clear();
      in_row = 0;
    }
  };
  struct Class {
    std::string in_turn;
    std::map<std::string, Waiter> waiters;  // by line
  };

  std::map<std::string, Class> classes_;
  std::map<std::string, double> least_us_;  // by service
  std::string broken_;
};

}  // namespace samovar::sim
