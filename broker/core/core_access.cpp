// What peers may do, by what was granted to their key. Without security everybody may do everything.
#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"

namespace samovar::broker {
namespace {

std::string key_name(const Grant& grant) {
  return grant.name.empty() ? "this key" : "the key '" + grant.name + "'";
}

proto::ProtocolError unauthorized(std::string message) {
  proto::ProtocolError error;
  error.message = std::move(message);
  error.unauthorized = true;
  return error;
}

}  // namespace

void Core::handle(const event::Granted& event, TimePoint now) {
  const GrantPtr& grant = grants_[raw(event.peer)] = event.grant;
  if (const auto at = clients_.find(raw(event.peer)); at != clients_.end()) {
    at->second->grant = grant;
    at->second->may_call = nullptr;
  }
  const auto at = workers_.find(raw(event.peer));
  const Worker* worker = at == workers_.end() ? nullptr : at->second.get();
  const bool known = worker || clients_.contains(raw(event.peer)) || supervisors_.contains(raw(event.peer));
  if (!known) return;
  if (!grant) {
    refuse_access(event.side, event.peer, "the key of this connection is not allowed any more", now);
    return forget_peer(event.peer, now);
  }
  if (!worker) return;
  if (worker->state == Worker::State::greeted) {  // its READY may have been refused, and be taken now
    outbox_.control(
        event.side, event.peer,
        proto::encode(proto::Kind::register_again, 0, proto::Notice{"it may do other things now"}));
  } else if (may_not_provide(event.peer, worker->service->name, now)) {
    forget_peer(event.peer, now);
  }
}

void Core::handle(const event::HandshakesRefused& event, TimePoint) {
  counters_.refused_handshakes += event.count;
}

void Core::handle(const event::Connections& event, TimePoint) {
  connections_ = event.open;
  counters_.refused_connections = event.refused;
}

void Core::refuse_access(Side side, PeerId peer, std::string why, TimePoint now) {
  counters_.unauthorized += 1;
  outbox_.note(Note::Level::warning, "unauthorized",
               std::string("unauthorized ") + (side == Side::frontend ? "frontend" : "backend") + " peer " +
                   std::to_string(raw(peer)) + ": " + why);
  complain(side, peer, proto::encode(0, unauthorized(std::move(why))), now);
}

const Grant* Core::grant_of(PeerId peer) const {
  const auto at = grants_.find(raw(peer));
  return at == grants_.end() ? nullptr : at->second.get();
}

bool Core::may_not_greet(Side side, PeerId peer, TimePoint now) {
  if (!config_.secured || grant_of(peer)) return false;
  refuse_access(side, peer, "the key of this connection is not allowed any more", now);
  return true;
}

bool Core::may_not_provide(PeerId peer, const std::string& service, TimePoint now) {
  if (!config_.secured) return false;
  const Grant* grant = grant_of(peer);
  if (grant && grant->may_provide(service)) return false;
  refuse_access(Side::backend, peer,
                (grant ? key_name(*grant) : "this key") + " may not provide service '" + service + "'", now);
  return true;
}

bool Core::may_not_call(Client& client, const proto::RequestItem& item, const Service& service,
                        TimePoint now) {
  if (!client.grant || client.may_call == &service) return false;
  if (client.grant->may_call(service.name)) {
    client.may_call = &service;
    return false;
  }
  counters_.unauthorized += 1;
  refuse_request(client, item, Status::unauthorized,
                 error_at("broker", key_name(*client.grant) + " may not call service '" + service.name +
                                        "': its 'calls' in the broker's list do not name it"),
                 now);
  return true;
}

bool Core::may_not_administer(Client& client, const proto::RequestItem& item, std::string_view method,
                              TimePoint now) {
  if (!client.grant || client.grant->administers) return false;
  counters_.unauthorized += 1;
  refuse_request(client, item, Status::unauthorized,
                 error_at("broker", key_name(*client.grant) + " may not administer: samovar." +
                                        std::string(method) + " is for keys with administers = true"),
                 now);
  return true;
}

}  // namespace samovar::broker
