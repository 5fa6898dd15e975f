#include "tests/sim/schemas.hpp"

#include <map>
#include <msgpack.hpp>
#include <string>

#include "tests/sim/world.hpp"

namespace samovar::sim {
namespace {

// With this hash: `put` takes one argument of that type.
std::string pack(std::uint64_t hash, const std::string& type) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> out(buffer);
  out.pack_map(2);
  out.pack("hash");
  out.pack(hash);
  out.pack("methods");
  out.pack_map(1);
  out.pack("put");
  out.pack_map(1);
  out.pack("parameters");
  out.pack_array(1);
  out.pack_map(3);
  out.pack("name");
  out.pack("value");
  out.pack("required");
  out.pack(true);
  out.pack("schema");
  out.pack(std::map<std::string, std::string>{{"type", type}});
  return {buffer.data(), buffer.size()};
}

}  // namespace

const Schema& workers_schema() {
  static const std::string packed = pack(7, "string");
  static const Schema schema{7, packed};
  return schema;
}

const Schema& fitting_schema() {
  static const std::string packed = pack(8, "string");
  static const Schema schema{8, packed};
  return schema;
}

const Schema& differing_schema() {
  static const std::string packed = pack(9, "integer");
  static const Schema schema{9, packed};
  return schema;
}

// Some callers have stubs; of a few the method has changed since.
void World::make_schema(CallRecord& record, std::map<std::string, std::uint64_t>& extensions) const {
  Random random(seed(), "schema", calls_.size());
  if (!random.chance(0.3)) return;
  const bool differs = random.chance(0.2);
  record.call->schema = differs ? &differing_schema() : &fitting_schema();
  record.differs = differs && record.call->method.ends_with(".put");
  extensions["schema"] = record.call->schema->hash;
}

}  // namespace samovar::sim
