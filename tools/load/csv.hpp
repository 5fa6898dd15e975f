// Comma-separated values, as RFC 4180 has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace samovar::load {

// Rows of fields. Empty lines are left out; a quoted field may hold commas, line ends and doubled quotes.
std::vector<std::vector<std::string>> parse_csv(std::string_view text);

// A field, quoted if it has to be.
std::string csv_field(const std::string& text);

}  // namespace samovar::load
