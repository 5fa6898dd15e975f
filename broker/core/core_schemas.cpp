// Schemas: what workers have announced, what callers were built against, and calls that do not fit.
#include <algorithm>

#include "broker/core/arguments.hpp"
#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"
#include "proto/codec.hpp"

namespace samovar::broker {

Announced::Announcement Core::announcement_of(const Worker& worker) {
  return {worker.supervisor, worker.generation, worker.schema};
}

void Core::announce_schema(const Worker& worker, std::string_view packed) {
  Service& service = *worker.service;
  service.announced.add(announcement_of(worker), packed);
  const bool reloads = std::any_of(errands_.begin(), errands_.end(), [&](const auto& errand) {
    return errand.second.command == "reload" && errand.second.request->service == &service;
  });
  const bool conflict = service.announced.conflict() && !reloads;
  if (conflict && !service.conflict_told) {
    outbox_.note(Note::Level::warning, "schema",
                 "workers of service '" + service.name +
                     "' announce different schemas: that of the highest generation counts, among equals the "
                     "one that was announced last");
  }
  service.conflict_told = conflict;
}

// The schema of a service as its workers have announced it; nil where they have none.
void Core::answer_schema(Client& client, const proto::RequestItem& item, TimePoint now) {
  const auto refuse = [&](Status status, std::string why) {
    refuse_request(client, item, status, error_at("broker", std::move(why)), now);
  };
  const Arguments arguments(item.body, {"service"});
  std::string_view name;
  if (!arguments.fit() || !arguments.text(0, name)) {
    return refuse(Status::bad_request, "samovar.schema takes the name of a service");
  }
  const Service* service = find_known(name);
  if (!service) {
    return refuse_request(client, item, Status::no_service, unknown_service(name), now);
  }
  if (may_not_call(client, item, *service, now)) return;
  const Schema& schema = service->announced.current();
  answer_ok(client, item, schema.empty() ? proto::kNil : schema.packed());
}

// A client tells what it was built against, so that its calls need only name the hash of it.
void Core::declare_schema(Client& client, const proto::RequestItem& item, TimePoint now) {
  const auto refuse = [&](std::string why) {
    refuse_request(client, item, Status::bad_request, error_at("broker", std::move(why)), now);
  };
  const Arguments arguments(item.body, {"hash", "schema"});
  std::uint64_t hash = 0;
  std::string_view schema;
  if (!arguments.fit() || !arguments.number(0, hash) || hash == 0 || !arguments.map(1, schema)) {
    return refuse("samovar.declare takes the hash of a schema, and the schema, which is a map");
  }
  if (schema.size() > limits::kMaxSchemaBytes) return refuse("the schema is larger than 128 KiB");
  if (!client.declared.contains(hash)) {
    if (client.declared.size() >= limits::kMaxDeclared ||
        declared_bytes_ + schema.size() > limits::kMaxDeclaredBytes) {
      return refuse("so many schemas are not kept: calls with this one are not compared");
    }
    client.declared.emplace(hash, std::make_unique<const Schema>(hash, std::string(schema)));
    declared_bytes_ += schema.size();
  }
  answer_ok(client, item, proto::kNil);
}

void Core::forget_declared(const Client& client) {
  for (const auto& [hash, schema] : client.declared) declared_bytes_ -= schema->packed().size();
}

// Why a client that was built against the schema with this hash cannot call the method; empty: it can, or nobody knows.
std::string Core::schema_mismatch(const Client& client, std::uint64_t hash, const Method& method) const {
  const Schema& workers = method.service->announced.current();
  if (hash == 0 || hash == workers.hash()) return {};
  const auto at = client.declared.find(hash);
  if (at == client.declared.end()) return {};
  const std::string& difference = at->second->difference_from(workers, method.name);
  if (difference.empty()) return {};
  return method.full_name + " is not what the caller was built against: " + difference +
         "; generate the caller's stubs again (samovar stubgen), or load the code that they were made of";
}

bool Core::refuse_mismatch(const Client& client, const proto::RequestItem& item, const Method& method,
                           TimePoint now) {
  if (item.schema == method.service->announced.current().hash()) return false;
  std::string why = schema_mismatch(client, item.schema, method);
  if (why.empty()) return false;
  refuse_request(client, item, Status::schema_mismatch, error_at("broker", std::move(why)), now);
  return true;
}

}  // namespace samovar::broker
