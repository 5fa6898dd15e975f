#include "tools/load/plot.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

namespace samovar::load {
namespace {

constexpr double kWidth = 720;
constexpr double kHeight = 300;
constexpr double kLeft = 72;
constexpr double kRight = 16;
constexpr double kTop = 34;
constexpr double kBottom = 46;

// The least of 1, 2, 2.5 and 5 times a power of ten that cuts `highest` into five steps at most.
double step_for(double highest) {
  const double rough = highest / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

double highest_of(const std::vector<Line>& lines) {
  double highest = 0;
  for (const auto& line : lines) {
    for (const auto& [x, y] : line.points) highest = std::max(highest, y);
  }
  return highest > 0 ? highest : 1;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c;
    }
  }
  return safe;
}

std::string to_svg(const Plot& plot) {
  const double x_from = plot.x_ticks.front().at;
  const double x_to = plot.x_ticks.back().at;
  const double step = step_for(highest_of(plot.lines));
  const double y_to = step * std::ceil(highest_of(plot.lines) / step);
  const auto x_of = [&](double x) {
    return kLeft + (x - x_from) / (x_to > x_from ? x_to - x_from : 1) * (kWidth - kLeft - kRight);
  };
  const auto y_of = [&](double y) { return kHeight - kBottom - y / y_to * (kHeight - kTop - kBottom); };

  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth,
                                kHeight, escaped(plot.title));
  svg += fmt::format("<text class=\"title\" x=\"{}\" y=\"16\">{}</text>\n", kLeft, escaped(plot.title));
  for (double y = 0; y <= y_to * 1.0001; y += step) {
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft,
                       kWidth - kRight, y_of(y), y_of(y));
    svg += fmt::format("<text class=\"end\" x=\"{}\" y=\"{:.1f}\">{}</text>\n", kLeft - 6, y_of(y) + 4,
                       escaped(plot.y_text(y)));
  }
  for (const auto& tick : plot.x_ticks) {
    svg += fmt::format("<text class=\"middle\" x=\"{:.1f}\" y=\"{}\">{}</text>\n", x_of(tick.at),
                       kHeight - kBottom + 18, escaped(tick.text));
  }
  svg += fmt::format("<text class=\"middle\" x=\"{}\" y=\"{}\">{}</text>\n", (kLeft + kWidth - kRight) / 2,
                     kHeight - 8, escaped(plot.x_label));
  double name_x = kWidth - kRight;
  for (std::size_t i = plot.lines.size(); i-- > 0;) {
    const auto& line = plot.lines[i];
    std::string points;
    for (const auto& [x, y] : line.points) points += fmt::format("{:.1f},{:.1f} ", x_of(x), y_of(y));
    svg += fmt::format("<polyline class=\"line{}\" points=\"{}\"/>\n", i + 1, points);
    if (line.points.size() <= 128) {
      for (const auto& [x, y] : line.points) {
        svg += fmt::format(
            "<circle class=\"dot{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"><title>{}: {}</title></circle>",
            i + 1, x_of(x), y_of(y), escaped(line.name), escaped(plot.y_text(y)));
      }
    }
    if (plot.lines.size() > 1) {
      svg += fmt::format("<text class=\"end name{}\" x=\"{}\" y=\"16\">{}</text>\n", i + 1, name_x,
                         escaped(line.name));
      name_x -= 9.0 * static_cast<double>(line.name.size() + 2);
    }
  }
  return svg + "</svg>\n";
}

}  // namespace samovar::load
