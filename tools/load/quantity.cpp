#include "tools/load/quantity.hpp"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

namespace samovar::load {
namespace {

// The number that the text starts with, and what follows it.
std::optional<std::pair<double, std::string_view>> split(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
  return std::pair(number, std::string_view(rest, static_cast<std::size_t>(end - rest)));
}

}  // namespace

std::optional<std::uint64_t> parse_size(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},       {"B", 1},           {"kB", 1e3},          {"KB", 1e3},
      {"MB", 1e6},   {"GB", 1e9},        {"k", 1024},          {"K", 1024},
      {"KiB", 1024}, {"M", 1024 * 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024e6 * 1.048576}};
  const auto parts = split(text);
  if (!parts || parts->first < 0) return std::nullopt;
  for (const auto& [unit, bytes] : kUnits) {
    if (parts->second == unit) return static_cast<std::uint64_t>(std::llround(parts->first * bytes));
  }
  return std::nullopt;
}

std::optional<double> parse_number(const std::string& text) {
  const auto parts = split(text);
  return parts && parts->second.empty() ? std::optional(parts->first) : std::nullopt;
}

std::string duration_in_words(double microseconds) {
  const auto three_digits = [](double number, const char* unit) {
    return fmt::format("{:.{}f} {}", number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0, unit);
  };
  if (microseconds >= 999.5e3) return three_digits(microseconds / 1e6, "s");
  return microseconds >= 999.5 ? three_digits(microseconds / 1e3, "ms") : three_digits(microseconds, "us");
}

std::string rate_in_words(double per_second) {
  return per_second < 100 ? fmt::format("{:.1f}", per_second)
                          : with_commas(static_cast<std::uint64_t>(std::llround(per_second)));
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string share_in_words(double share) {
  const double percent = 100 * share;
  if (percent > 0 && percent < 0.01) return "less than 0.01 %";
  return fmt::format("{:.{}f} %", percent, percent < 1 && percent > 0 ? 2 : 1);
}

}  // namespace samovar::load
