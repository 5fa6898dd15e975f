// Requests that kill workers: counted when one dies, refused when they are known.
#include <algorithm>
#include <utility>

#include "broker/core/core.hpp"
#include "proto/cursor.hpp"

namespace samovar::broker {
namespace {

// args and kwargs of a request's payload, without the ext behind them.
std::string_view body_of(std::string_view tail) {
  proto::Cursor cursor(tail);
  std::string_view value;
  cursor.skip(limits::kMaxDepth, value);
  cursor.skip(limits::kMaxDepth, value);
  return tail.substr(0, static_cast<std::size_t>(cursor.position() - tail.data()));
}

std::string times(std::uint32_t count) {
  return count == 1 ? "one death" : std::to_string(count) + " deaths";
}

}  // namespace

RequestKey Core::key_of(const Request& request) const {
  return quarantine_.key_of(*request.method, body_of(request.payload.view()), request.payload.attachments());
}

bool Core::is_quarantined(const Request& request, TimePoint now) {
  return request.method->suspects > 0 && (request.flags & proto::kReplay) == 0 &&
         quarantine_.refuses(*request.method, key_of(request), now);
}

proto::ErrorValue Core::quarantine_error(const Quarantine::Entry& entry) const {
  proto::ErrorValue error;
  error.where = "queued";
  error.message = "such a request of '" + entry.method->full_name + "' was running at " +
                  times(entry.deaths) + " of workers";
  if (!entry.death.reason.empty()) error.message += " (the last: " + entry.death.reason + ")";
  error.message += "; it is refused until its service is reloaded, or for an hour. ";
  error.message += entry.file.empty() ? "To run it all the same, call it with the flag replay"
                                      : "To run it all the same: samovar replay " + entry.file;
  return error;
}

// True when the request has been answered instead.
bool Core::refuse_quarantined(const Client& client, const proto::RequestItem& item, const Method& method,
                              const Frames& attachments, TimePoint now) {
  if (item.flags & proto::kReplay) return false;
  const auto* entry = quarantine_.refuses(method, quarantine_.key_of(method, item.body, attachments), now);
  if (!entry) return false;
  counters_.quarantined += 1;
  refuse_request(client, item, Status::bad_request, quarantine_error(*entry), now);
  return true;
}

// What ran when a worker died. True when something is refused from now on.
bool Core::suspect(const Worker& worker, const Death& death, TimePoint now) {
  bool refused = false;
  std::vector<std::uint64_t> counted;  // equal ones may have been running together: that is one death
  for (const Request* request = worker.held.front(); request; request = worker.held.next(*request)) {
    if (!was_running(worker, *request)) continue;
    const RequestKey key = key_of(*request);
    if (std::find(counted.begin(), counted.end(), key.hash) != counted.end()) continue;
    counted.push_back(key.hash);
    const bool before = quarantine_.refuses(*request->method, key, now) != nullptr;
    if (!quarantine_.strike(*request->method, key, death, now) || before) continue;
    refused = true;
    outbox_.note(Note::Level::warning, "quarantine",
                 "a request of '" + request->method->full_name + "' was running at " +
                     times(config_.quarantine_after) + " of workers: such requests are refused from now on");
    poisoned_.push_back({key, request->method->full_name, std::string(body_of(request->payload.view())),
                         request->payload.attachments(), config_.quarantine_after, death});
  }
  return refused;
}

// Those that are queued.
void Core::sweep(Service& service, TimePoint now) {
  for (Request* request : service.queue.all()) {
    if (!request->method || request->method->suspects == 0 || (request->flags & proto::kReplay)) continue;
    const auto* entry = quarantine_.refuses(*request->method, key_of(*request), now);
    if (!entry) continue;
    counters_.quarantined += 1;
    end_early(*request, Status::bad_request, quarantine_error(*entry), now);
  }
}

void Core::handle(const event::PoisonSaved& event, TimePoint) {
  quarantine_.saved(event.key, event.file);
}

std::vector<Poisoned> Core::take_poisoned() {
  return std::exchange(poisoned_, {});
}

}  // namespace samovar::broker
