// The broker's own service: what it answers at once, and what it has supervisors do (COMMAND).
#include <algorithm>

#include "broker/core/arguments.hpp"
#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"
#include "broker/core/pack.hpp"
#include "proto/codec.hpp"
#include "proto/control.hpp"

namespace samovar::broker {
namespace {

constexpr std::uint64_t kMostWorkers = 1024;
constexpr std::string_view kNothing = "\x90";  // an empty list

}  // namespace

void Core::answer_ok(const Client& client, const proto::RequestItem& item, std::string_view value) {
  outcomes_[0] += 1;
  const std::string tail = std::string(value).append(proto::kNil);
  answer(client, item.id, item.attempt, Outcome{Status::ok, 0, tail});
}

void Core::answer_builtin(Client& client, const proto::RequestItem& item, std::string_view method,
                          TimePoint sent, TimePoint now) {
  const auto bad_request = [&](std::string why) {
    refuse_request(client, item, Status::bad_request, error_at("broker", std::move(why)), now);
  };
  const auto ok = [&](std::string_view value) { answer_ok(client, item, value); };
  if (item.flags & proto::kStream) {
    return bad_request("no method of the broker streams its result: call it without the flag `stream`");
  }
  if (method == "ping") {
    std::string pong;
    proto::append_str(pong, "pong");
    return ok(pong);
  }
  if (method == "services") return ok(services());
  if (method == "schema") return answer_schema(client, item, now);
  if (method == "declare") return declare_schema(client, item, now);
  if (may_not_administer(client, item, method, now)) return;
  if (method == "status") return ok(status(now));
  if (method == "crashes" || method == "errors") {
    const Arguments arguments(item.body, {"service"});
    std::string_view service;
    if (!arguments.fit() || (arguments.has(0) && !arguments.text(0, service))) {
      return bad_request("samovar." + std::string(method) + " takes the name of a service, or nothing");
    }
    const std::string found = method == "crashes" ? deaths_.pack(service) : errors_.pack(service);
    // What callers ask for in vain has errors, too.
    if (found == kNothing && !service.empty() && service != "samovar" && !find_known(service)) {
      return refuse_request(client, item, Status::no_service, unknown_service(service), now);
    }
    return ok(found);
  }
  if (method == "quarantine") return ok(quarantine_.pack(now));
  if (method == "reload") {
    const Arguments arguments(item.body, {"service"});
    std::string_view service;
    if (!arguments.fit() || !arguments.text(0, service)) {
      return bad_request("samovar.reload takes the name of a service");
    }
    return command(client, item, service, proto::Command{0, "reload", {}}, sent, now);
  }
  if (method == "scale") {
    const Arguments arguments(item.body, {"service", "workers"});
    std::string_view service;
    std::uint64_t workers = 0;
    if (!arguments.fit() || !arguments.text(0, service) || !arguments.number(1, workers) || workers < 1 ||
        workers > kMostWorkers) {
      return bad_request("samovar.scale takes the name of a service and a number of workers from 1 to 1,024");
    }
    proto::Command scale{0, "scale", {}};
    proto::append_array(scale.args, 1);
    proto::append_uint(scale.args, workers);
    return command(client, item, service, std::move(scale), sent, now);
  }
  bad_request("the broker has no method '" + std::string(method) +
              "'; it has: samovar.ping, samovar.services, samovar.status, samovar.reload, samovar.scale, "
              "samovar.crashes, samovar.errors, samovar.quarantine, samovar.schema, samovar.declare");
}

// --- what supervisors do ---------------------------------------------------------------------------------

void Core::command(Client& client, const proto::RequestItem& item, std::string_view service_name,
                   proto::Command command, TimePoint sent, TimePoint now) {
  const auto refuse = [&](Status status, std::string why) {
    refuse_request(client, item, status, error_at("broker", std::move(why)), now);
  };
  const std::string name(service_name);
  Service* service = find_known(name);
  if (!service) {
    return refuse(Status::no_service, "no service '" + name +
                                          "': no worker or pool has announced it and the configuration does "
                                          "not name it; samovar services lists those that there are");
  }
  if (draining_) return refuse(Status::unavailable, "the broker is going away; nothing was done");
  if (errands_.size() >= limits::kMaxErrands) {
    proto::ErrorValue error =
        error_at("broker", "the broker waits for as many commands as it can; try again");
    error.retry_after_us = 1'000'000;
    return refuse_request(client, item, Status::overloaded, std::move(error), now);
  }
  Errand errand;
  errand.command = command.command;
  for (const auto& [peer, supervisor] : supervisors_) {
    const auto& pool = supervisor->pool;
    if (!pool || pool->service != name || pool->state == proto::PoolState::stopping) continue;
    Errand::Part& part = errand.parts.emplace_back();
    part.supervisor = supervisor->peer;
    part.name = supervisor->name;
  }
  if (errand.parts.empty()) {
    return refuse(Status::unavailable,
                  "service '" + name + "' has no supervisor that could " + command.command +
                      " it: its pool is starting or stopping (try again), or its workers run without one "
                      "(start them with samovar-worker)");
  }
  if (command.command == "scale" && errand.parts.size() > 1) {
    return refuse(Status::bad_request, "service '" + name + "' has " + std::to_string(errand.parts.size()) +
                                           " pools, and each has its own number of workers: start or stop "
                                           "pools instead, or say --workers to each");
  }
  Request& request = take_request(client, item, *service, nullptr, sent, now);
  request.state = Request::State::commanded;
  request.name = std::make_unique<std::string>("samovar." + command.command);
  request.dispatch_id = static_cast<DispatchId>(++command_serial_);
  command.id = command_serial_;
  for (const auto& part : errand.parts) {
    const auto epoch = raw(supervisors_.at(raw(part.supervisor))->epoch);
    outbox_.control(Side::backend, part.supervisor, proto::encode(epoch, command));
  }
  outbox_.note(Note::Level::info, "command", "service '" + name + "': " + command.command);
  errand.request = &request;
  errands_.emplace(command.id, std::move(errand));
}

void Core::handle(const event::CommandDone& event, TimePoint now) {
  if (!supervisor_of(event.peer, event.epoch, now)) return;
  const auto at = errands_.find(event.done.id);
  if (at == errands_.end()) return;  // its caller has left, or heard
  for (auto& part : at->second.parts) {
    if (part.supervisor != event.peer || part.answered) continue;
    part.answered = true;
    part.ok = event.done.ok;
    part.message = event.done.message;
    part.result = event.done.result;
    if (part.ok && at->second.command == "reload") retire_older(event.peer, now);
  }
  finish_errand(at->first, now);
}

// A pool has been replaced. Whoever hears of it meets the new workers only: the old ones have been told to end, but that they
// drain comes on their own connections, and may come later.
void Core::retire_older(PeerId supervisor, TimePoint now) {
  const std::string& token = supervisors_.at(raw(supervisor))->token;
  std::vector<Worker*> workers;
  std::uint64_t newest = 0;
  for (const auto& [peer, worker] : workers_) {
    if (worker->state != Worker::State::ready || worker->supervisor != token) continue;
    newest = std::max(newest, worker->generation);
    workers.push_back(worker.get());
  }
  for (Worker* worker : workers) {
    if (worker->generation < newest) retire(*worker, now);
  }
}

// What it was to do will not be answered.
void Core::errands_lose(PeerId supervisor, TimePoint now) {
  std::vector<std::uint64_t> concerned;
  for (auto& [id, errand] : errands_) {
    for (auto& part : errand.parts) {
      if (part.supervisor != supervisor || part.answered) continue;
      part.answered = part.gone = true;
      part.message = "its supervisor is gone; it may have been done";
      concerned.push_back(id);
    }
  }
  for (const auto id : concerned) finish_errand(id, now);
}

// Ends the call when all have answered.
void Core::finish_errand(std::uint64_t id, TimePoint now) {
  const auto at = errands_.find(id);
  const auto& parts = at->second.parts;
  if (!std::all_of(parts.begin(), parts.end(), [](const auto& part) { return part.answered; })) return;
  const Errand errand = std::move(at->second);
  errands_.erase(at);
  Request& request = *errand.request;
  std::string failures;
  bool gone = false;
  for (const auto& part : errand.parts) {
    if (part.ok) continue;
    gone = gone || part.gone;
    const std::string why = part.message.empty() ? "it did not say why" : part.message;
    failures += (failures.empty() ? "" : "; ") + (errand.parts.size() > 1 ? part.name + ": " + why : why);
  }
  if (!failures.empty()) {
    settle(request, gone ? Status::worker_lost : Status::app_error,
           error_at("worker",
                    errand.command + " of service '" + request.service->name + "' failed: " + failures),
           now);
    return forget(request);
  }
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  packer.pack_map(2);
  entry(packer, "service", request.service->name);
  packer.pack(std::string_view("pools"));
  packer.pack_array(static_cast<std::uint32_t>(errand.parts.size()));
  for (const auto& part : errand.parts) {
    packer.pack_map(3);
    entry(packer, "supervisor", part.name);
    entry(packer, "message", part.message);
    raw_entry(buffer, packer, "result", part.result);
  }
  packer.pack_nil();
  settle(request, Outcome{Status::ok, 0, {buffer.data(), buffer.size()}}, {}, now);
  forget(request);
}

}  // namespace samovar::broker
