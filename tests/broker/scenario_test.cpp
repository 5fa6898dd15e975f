// Each file of scenarios/ is a test case. To run one: test_broker "Every scenario ends as it is told" -c "its first line"
#include <algorithm>
#include <filesystem>

#include "tests/broker/story.hpp"
#include "tests/support/catch.hpp"

using namespace samovar::test;

TEST_CASE("Every scenario ends as it is told") {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(SAMOVAR_SOURCE_DIR "/tests/broker/scenarios")) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  REQUIRE(paths.size() >= 30);
  for (const auto& path : paths) {
    DYNAMIC_SECTION(Story::title(path)) {
      const std::string problems = Story(path).run();
      INFO(problems);
      CHECK(problems.empty());
    }
  }
}
