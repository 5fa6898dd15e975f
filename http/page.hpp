// The live page's files, which were built from page/ and are part of the binary.
#pragma once

#include <span>
#include <string_view>

namespace samovar::http {

struct PageFile {
  std::string_view path;  // "/" is the page itself
  std::string_view type;
  std::string_view content;
};

// None when samovard was built without the page.
std::span<const PageFile> page_files();

// Of what the page loads and connects to: from here and nowhere else.
inline constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

inline constexpr const char* kNoPage =
    "This samovard was built without its page. On a machine with npm, script/page builds it, and "
    "script/build "
    "samovard with it.\n";

}  // namespace samovar::http
