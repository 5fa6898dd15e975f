// A line plot as inline SVG. Colours are CSS variables of the page, so that it is readable in light and in dark.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace samovar::load {

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct Tick {
  double at;
  std::string text;
};

struct Plot {
  std::string title;
  std::string x_label;
  std::vector<Tick> x_ticks;  // in the order of the axis; the first and the last are its ends
  std::string (*y_text)(double);
  std::vector<Line> lines;  // 3 at most
};

// From 0 to what the lines need.
std::string to_svg(const Plot& plot);

// For text between tags and in attributes.
std::string escaped(const std::string& text);

}  // namespace samovar::load
