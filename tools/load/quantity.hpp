// Numbers with their units, as people type and read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace samovar::load {

// "512", "10KiB", "1MB".
std::optional<std::uint64_t> parse_size(const std::string& text);
// The whole text as one number.
std::optional<double> parse_number(const std::string& text);

// Three digits and a unit: "299 us", "8.10 ms".
std::string duration_in_words(double microseconds);
// "103,486"; below 100 with one decimal.
std::string rate_in_words(double per_second);
std::string with_commas(std::uint64_t number);
// "0.02 %"; never rounded to 0.
std::string share_in_words(double share);

}  // namespace samovar::load
