#include "broker/core/traces.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/request.hpp"

namespace samovar::broker {
namespace {

bool is_hex(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::all_of(text.begin(), text.end(), digit) &&
         text.find_first_not_of('0') != std::string_view::npos;
}

// "00-TRACE-PARENT-FLAGS", sampled; later versions may say more behind that.
bool read(std::string_view text, Trace& trace) {
  constexpr std::size_t kSize = 2 + 1 + 32 + 1 + 16 + 1 + 2;
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  if (text.substr(0, 2) == "ff" || (text.substr(0, 2) == "00" && text.size() != kSize)) return false;
  const auto id = text.substr(3, 32);
  const auto parent = text.substr(36, 16);
  const char flags = text[54];
  const bool sampled = (flags >= '0' && flags <= '9' ? flags - '0' : flags - 'a' + 10) & 1;
  if (!is_hex(id) || !is_hex(parent) || !sampled) return false;
  trace.trace_id = id;
  trace.parent_id = parent;
  return true;
}

bool open(const proto::RequestItem& item, std::string_view client, TimePoint sent, TimePoint now,
          Trace& trace) {
  if (!read(item.traceparent, trace)) return false;
  trace.method = item.method;
  trace.client = client;
  trace.sent = sent;
  trace.accepted = now;
  trace.attempt = item.attempt;
  return true;
}

}  // namespace

void Traces::start(const Request& request, const proto::RequestItem& item, std::string_view client,
                   TimePoint sent, TimePoint now) {
  Trace trace;
  if (open(item, client, sent, now, trace)) open_.insert_or_assign(&request, std::move(trace));
}

void Traces::refused(const proto::RequestItem& item, std::string_view client, Status status, TimePoint now) {
  Trace trace;
  if (!wanted_ || item.traceparent.empty() || !open(item, client, now, now, trace)) return;
  trace.ended = now;
  trace.status = status;
  keep(std::move(trace));
}

void Traces::hand_over(const Request& request, std::string_view worker, TimePoint now) {
  const auto at = open_.find(&request);
  if (at == open_.end()) return;
  at->second.worker = worker;
  at->second.dispatched = now;
  at->second.attempt = request.attempt;
}

void Traces::finish(const Request& request, Status status, TimePoint now) {
  const auto at = open_.find(&request);
  if (at == open_.end()) return;
  at->second.ended = now;
  at->second.status = status;
  keep(std::move(at->second));
  open_.erase(at);
}

void Traces::move(const Request& from, const Request& to) {
  if (open_.empty()) return;
  open_.erase(&to);
  const auto at = open_.find(&from);
  if (at == open_.end()) return;
  Trace trace = std::move(at->second);
  open_.erase(at);
  open_.emplace(&to, std::move(trace));
}

void Traces::keep(Trace&& trace) {
  if (ended_.size() < kMost) {
    ended_.push_back(std::move(trace));
  } else {
    ++dropped_;
  }
}

}  // namespace samovar::broker
