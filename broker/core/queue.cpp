#include "broker/core/queue.hpp"

namespace samovar::broker {

void Queue::insert(Request& request, bool at_front) {
  Class& cls = classes_[static_cast<std::size_t>(request.priority)];
  auto [at, fresh] = cls.lines.try_emplace(request.client);
  Line& line = at->second;
  if (fresh) {
    line.client = request.client;
    cls.turn.push_back(line);
  }
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
    cls.lines.erase(request.client);
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
