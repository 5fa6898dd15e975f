// Reading what the broker says about itself: maps of which any key may be missing, since the broker may be older or
// newer than this command.
#pragma once

#include <string>

#include "tools/common/arguments.hpp"

namespace samovar::cli {

using tools::Json;

// The value of a key as text; "-" where there is none.
std::string text_of(const Json& map, const char* key);
// A number without its fraction; "-" where there is none.
std::string whole_number(const Json& map, const char* key);
// An array, or an empty one.
Json list_of(const Json& map, const char* key);
// The same, by the names of its maps: worker-2 before worker-10.
Json sorted_list_of(const Json& map, const char* key);
Json sorted(Json list);
Json map_of(const Json& map, const char* key);
// The names of a list's elements, or the elements.
std::string joined(const Json& list);
// "12 s", "3 min 5 s", "2 h 7 min"
std::string for_people(double seconds);
// Seconds since 1970 as local time; "-" where there are none.
std::string time_of(const Json& map, const char* key);
// Each line of a text, with this in front; nothing for an empty text.
std::string indented(const std::string& text, const std::string& indent);

}  // namespace samovar::cli
