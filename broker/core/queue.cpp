#include "broker/core/queue.hpp"

#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

constexpr double kRoundUs =
    static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(limits::kRound).count());

}  // namespace

Queue::Line& Queue::line_of(Class& cls, const Client* client) {
  const auto at = cls.lines.find(client);
  if (at != cls.lines.end()) return at->second;
  if (cls.spare.empty()) {
    cls.lines.emplace(client, Line{});
  } else {
    cls.spare.key() = client;
    cls.lines.insert(std::move(cls.spare));
  }
  Line& line = cls.lines.at(client);
  line.client = client;
  cls.turn.push_back(line);
  return line;
}

void Queue::insert(Request& request, bool at_front) {
  Class& cls = classes_[static_cast<std::size_t>(request.priority)];
  Line& line = line_of(cls, request.client);
  at_front ? line.requests.push_front(request) : line.requests.push_back(request);
  size_ += 1;
  bytes_ += request.payload.bytes();
}

Request* Queue::front() const {
  for (const Class& cls : classes_) {
    if (const Line* line = cls.turn.front()) return line->requests.front();
  }
  return nullptr;
}

void Queue::take_front(double us) {
  Request& request = *front();
  Class& cls = classes_[static_cast<std::size_t>(request.priority)];
  cls.spent_us += us;
  take_out(cls, *cls.turn.front(), request, cls.spent_us * static_cast<double>(cls.turn.size()) >= kRoundUs);
}

void Queue::remove(Request& request) {
  Class& cls = classes_[static_cast<std::size_t>(request.priority)];
  Line& line = cls.lines.at(request.client);
  take_out(cls, line, request, cls.turn.front() == &line && line.requests.front() == &request);
}

void Queue::take_out(Class& cls, Line& line, Request& request, bool turn_is_over) {
  const bool was_in_front = cls.turn.front() == &line;
  line.requests.remove(request);
  size_ -= 1;
  bytes_ -= request.payload.bytes();
  if (line.requests.empty()) {
    cls.turn.remove(line);
    cls.spare = cls.lines.extract(request.client);
  } else if (turn_is_over) {
    cls.turn.remove(line);
    cls.turn.push_back(line);
  }
  if (was_in_front && cls.turn.front() != &line) cls.spent_us = 0;
}

std::vector<Request*> Queue::all() const {
  std::vector<Request*> requests;
  requests.reserve(size_);
  for (const Class& cls : classes_) {
    for (const Line* line = cls.turn.front(); line; line = cls.turn.next(*line)) {
      for (Request* request = line->requests.front(); request; request = line->requests.next(*request)) {
        requests.push_back(request);
      }
    }
  }
  return requests;
}

}  // namespace samovar::broker
