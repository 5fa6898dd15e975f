// Makes the runs that the options ask for.
#pragma once

#include "tools/load/options.hpp"
#include "tools/load/report.hpp"

namespace samovar::load {

// Ctrl-C and SIGTERM end it early, with what has been measured. Throws Unreachable without a broker.
Report run(const Options& options);

}  // namespace samovar::load
