#include "broker/core/queue.hpp"

namespace samovar::broker {

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
  bytes_ += request.bytes;
}

Request* Queue::front() const {
  for (const Class& cls : classes_) {
    if (const Line* line = cls.turn.front()) return line->requests.front();
  }
  return nullptr;
}

void Queue::remove(Request& request) {
  Class& cls = classes_[static_cast<std::size_t>(request.priority)];
  Line& line = cls.lines.at(request.client);
  const bool was_next = cls.turn.front() == &line && line.requests.front() == &request;
  line.requests.remove(request);
  size_ -= 1;
  bytes_ -= request.bytes;
  if (line.requests.empty()) {
    cls.turn.remove(line);
    cls.spare = cls.lines.extract(request.client);
  } else if (was_next) {
    cls.turn.remove(line);
    cls.turn.push_back(line);
  }
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
