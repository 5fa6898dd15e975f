// What waits for a worker of one service. Order: priority class, then round robin by client, then arrival.
// Every operation is O(1), however many clients or requests wait.
//
// A client's turn is one request, or several short ones: all clients of a class take their turns within limits::kRound of
// work. So the replies of a client come together too, and cost it few messages instead of one each.
#pragma once

#include <array>
#include <unordered_map>
#include <vector>

#include "broker/core/list.hpp"
#include "broker/core/request.hpp"

namespace samovar::broker {

class Queue {
 public:
  // A request goes behind, or (one that is queued again) before, the others of its client and class.
  void push_back(Request& request) { insert(request, false); }
  void push_front(Request& request) { insert(request, true); }

  // The next one to dispatch; it stays queued.
  Request* front() const;
  // Takes out the front, for `us` of work by estimate. The turn passes to the next client when this one's is over.
  void take_front(double us);
  // Takes out any queued request. If it was the front, the turn passes.
  void remove(Request& request);

  // All of them, class by class and client by client; for what ends many at once.
  std::vector<Request*> all() const;

  // When one more of this client would have its turn: after so many others, more or less. O(1).
  std::size_t place(const Client* client, proto::Priority priority) const;

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }
  double work_us() const { return work_us_; }  // what they are charged with
  bool empty() const { return size_ == 0; }

 private:
  // The requests of one client in one class, while there are any.
  struct Line {
    const Client* client = nullptr;
    List<Request, &Request::link> requests;
    Link<Line> in_turn;
  };
  using Lines = std::unordered_map<const Client*, Line>;
  struct Class {
    Lines lines;
    Lines::node_type spare;  // of the line that ended last: the next one needs no allocation
    List<Line, &Line::in_turn> turn;
    double spent_us = 0;  // work that the one in front has got in this turn
    std::size_t size = 0;
    // Lines by the bit width of their lengths: how many, and how long together.
    struct Lengths {
      std::size_t lines = 0, requests = 0;
    };
    std::array<Lengths, 32> lengths{};
    void resized(std::size_t before, std::size_t after);
  };

  void insert(Request& request, bool at_front);
  void take_out(Class& cls, Line& line, Request& request, bool turn_is_over);
  static Line& line_of(Class& cls, const Client* client);

  std::array<Class, proto::kPriorities> classes_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  double work_us_ = 0;
};

}  // namespace samovar::broker
