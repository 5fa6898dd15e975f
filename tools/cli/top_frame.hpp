// What `samovar top` shows, as lines of text. Pure: no terminal, no clock.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/json_maps.hpp"

namespace samovar::cli {

struct TopLine {
  std::string text;
  bool is_head = false;  // of a table
};

// Of two looks at samovar.status: what there is now, and the rates and times of what came between the two. Where `before` is
// null or of another samovard, since that one was started.
std::vector<TopLine> top_frame(const Json& before, const Json& now);

}  // namespace samovar::cli
