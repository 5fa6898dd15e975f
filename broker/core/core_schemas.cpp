// Schemas: what workers have announced, what callers were built against, and calls that do not fit.
#include "broker/core/arguments.hpp"
#include "broker/core/core.hpp"
#include "broker/core/errors.hpp"
#include "proto/codec.hpp"

namespace samovar::broker {

void Core::announce_schema(Service& service, const proto::Ready& ready) {
  if (service.schema.hash() == ready.schema_hash && service.schema.empty() == ready.schema.empty()) return;
  service.schema = Schema(ready.schema_hash, ready.schema);
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
  const Service* service = find_service(name);
  if (!service || !service->known) {
    return refuse(Status::no_service,
                  "no service '" + std::string(name) + "': samovar services lists those that there are");
  }
  if (may_not_call(client, item, *service, now)) return;
  answer_ok(client, item, service->schema.empty() ? proto::kNil : service->schema.packed());
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
  const Schema& workers = method.service->schema;
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
  if (item.schema == method.service->schema.hash()) return false;
  std::string why = schema_mismatch(client, item.schema, method);
  if (why.empty()) return false;
  refuse_request(client, item, Status::schema_mismatch, error_at("broker", std::move(why)), now);
  return true;
}

}  // namespace samovar::broker
