// Names and messages of peers as lines of a log or a terminal: what they hold must not end the line, or move the cursor.
#pragma once

#include <string>
#include <string_view>

namespace samovar::proto {

// With control characters written as \n, \t or \x1b. Other bytes stay as they are.
std::string printable(std::string_view text);

}  // namespace samovar::proto
