// What simulated workers announce, and what simulated callers were built against.
#pragma once

#include <samovar/options.hpp>

namespace samovar::sim {

const Schema& workers_schema();
const Schema& fitting_schema();
// One whose method `put` takes another type.
const Schema& differing_schema();

}  // namespace samovar::sim
