#include "proto/printable.hpp"

#include <cstdio>

namespace samovar::proto {
namespace {

bool is_control(unsigned char byte) {
  return byte < 0x20 || byte == 0x7f;
}

// U+0080 to U+009F in UTF-8, among which are a terminal's escape sequences in one character.
bool is_late_control(std::string_view text, std::size_t i) {
  return text[i] == '\xc2' && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xe0) == 0x80;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  const auto escape = [&line](char c) {
    char code[5];
    std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c));
    line += code;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      line += "\\n";
    } else if (text[i] == '\t') {
      line += "\\t";
    } else if (is_control(static_cast<unsigned char>(text[i]))) {
      escape(text[i]);
    } else if (is_late_control(text, i)) {
      escape(text[i]);
      escape(text[++i]);
    } else {
      line += text[i];
    }
  }
  return line;
}

}  // namespace samovar::proto
