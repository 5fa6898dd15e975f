#include "broker/core/queue.hpp"

#include <algorithm>
#include <bit>

#include "broker/core/client.hpp"
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
  cls.resized(line.requests.size() - 1, line.requests.size());
  size_ += 1;
  bytes_ += request.payload.bytes();
  work_us_ += request.charged_us;
  request.client->queued_bytes += request.payload.bytes();
}

void Queue::Class::resized(std::size_t before, std::size_t after) {
  const auto lengths_of = [this](std::size_t length) -> Lengths& {
    return lengths[std::min(static_cast<std::size_t>(std::bit_width(length)), lengths.size() - 1)];
  };
  size += after - before;
  Lengths& from = lengths_of(before);
  from.lines -= 1;
  from.requests -= before;
  Lengths& to = lengths_of(after);
  to.lines += 1;
  to.requests += after;
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
  cls.resized(line.requests.size() + 1, line.requests.size());
  size_ -= 1;
  bytes_ -= request.payload.bytes();
  work_us_ = size_ == 0 ? 0 : work_us_ - request.charged_us;
  request.client->queued_bytes -= request.payload.bytes();
  if (line.requests.empty()) {
    cls.turn.remove(line);
    cls.spare = cls.lines.extract(request.client);
  } else if (turn_is_over) {
    cls.turn.remove(line);
    cls.turn.push_back(line);
  }
  if (was_in_front && cls.turn.front() != &line) cls.spent_us = 0;
}

// All of the classes before, and within its class as many turns of each line as its own request is from the front.
std::size_t Queue::place(const Client* client, proto::Priority priority) const {
  std::size_t before = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(priority); ++i) before += classes_[i].size;
  const Class& cls = classes_[static_cast<std::size_t>(priority)];
  const auto own = cls.lines.find(client);
  const std::size_t turns = 1 + (own == cls.lines.end() ? 0 : own->second.requests.size());
  for (std::size_t width = 1; width < cls.lengths.size(); ++width) {
    const auto& [lines, requests] = cls.lengths[width];
    before += std::min(requests, lines * turns);
  }
  return before;
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
