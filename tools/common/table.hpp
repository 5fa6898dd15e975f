// Columns of text on a terminal.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace samovar::tools {

class Table {
 public:
  explicit Table(std::vector<std::string> head);
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.size() == 1; }
  // Each line indented; a column is as wide as it needs to be.
  std::string text(const std::string& indent = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace samovar::tools
