// The comparison of two schemas, which clients and workers send. Input: two lengths of two bytes, each with so many bytes, a
// schema. It ends soon, whatever they are.
#include <string>

#include "broker/core/schemas.hpp"
#include "proto/cursor.hpp"
#include "tests/fuzz/target.hpp"

namespace samovar::fuzz {
namespace {

// What the codec has let pass.
bool is_msgpack(std::string_view bytes) {
  proto::Cursor cursor(bytes);
  std::string_view all;
  return cursor.skip(64, all) && cursor.at_end();
}

}  // namespace
}  // namespace samovar::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samovar;
  fuzz::Script script(data, size);
  const std::string caller(script.long_bytes());
  const std::string workers(script.long_bytes());
  if (!fuzz::is_msgpack(caller) || !fuzz::is_msgpack(workers)) return 0;
  const broker::Schema mine(1, caller);
  const broker::Schema theirs(2, workers);
  static_cast<void>(mine.difference_from(theirs, "a"));
  static_cast<void>(theirs.difference_from(mine, "a"));
  return 0;
}
