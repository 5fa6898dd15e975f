// A JSON report as a page: self-contained, with plots.
#pragma once

#include <string>

#include "tools/load/tally.hpp"

namespace samovar::load {

std::string to_html(const Json& report);

}  // namespace samovar::load
