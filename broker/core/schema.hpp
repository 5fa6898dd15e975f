// Whether a caller that was built against one schema of a service can call workers that have another. Schemas are maps
// of types in JSON Schema (docs/stubs.md); what of one is not as it should be counts as anything, and fits.
#pragma once

#include <msgpack.hpp>
#include <string>
#include <string_view>

namespace samovar::broker {

// What is different, in words for the caller's author; empty: nothing that would harm it. Its cost is bounded, whatever the
// schemas are: beyond that they fit.
std::string incompatibility(const msgpack::object& caller, const msgpack::object& workers,
                            std::string_view method);

}  // namespace samovar::broker
