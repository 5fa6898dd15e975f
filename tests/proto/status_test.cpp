#include <samovar/status.hpp>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/support/catch.hpp"

namespace samovar {
namespace {

TEST_CASE("Each status has its own word, and a number that stays") {
  const char* const words[] = {"ok",          "app_error",  "bad_request",       "no_service",
                               "unavailable", "overloaded", "deadline_exceeded", "worker_lost",
                               "cancelled",   "too_large",  "unauthorized",      "protocol_error",
                               "broker_lost", "internal",   "schema_mismatch"};
  REQUIRE(std::size(words) == kStatusCount);
  for (std::uint8_t number = 0; number < kStatusCount; ++number) {
    CHECK(to_word(static_cast<Status>(number)) == words[number]);
    CHECK(status_from_wire(number) == static_cast<Status>(number));
  }
}

TEST_CASE("A status that is not known is internal") {
  for (const std::uint64_t number : {15ull, 255ull, 256ull, 269ull, ~0ull}) {
    CHECK(status_from_wire(number) == Status::internal);
  }
  CHECK(to_word(static_cast<Status>(200)) == "internal");
  CHECK(info(static_cast<Status>(200)).retry == Retry::no);
}

TEST_CASE(
    "Only what did not run may be tried again by anyone, and what may have run only if it is idempotent") {
  std::set<std::string_view> always;
  std::set<std::string_view> if_idempotent;
  for (std::uint8_t number = 0; number < kStatusCount; ++number) {
    const StatusInfo status = info(static_cast<Status>(number));
    if (status.retry == Retry::yes) always.insert(status.word);
    if (status.retry == Retry::if_idempotent) if_idempotent.insert(status.word);
  }
  CHECK(always == std::set<std::string_view>{"unavailable", "overloaded"});
  CHECK(if_idempotent == std::set<std::string_view>{"worker_lost", "broker_lost"});
}

TEST_CASE("The table of PROTOCOL.md has the same numbers, words and retries") {
  std::ifstream file(SAMOVAR_SOURCE_DIR "/proto/PROTOCOL.md");
  std::string line;
  std::uint8_t next = 0;
  while (std::getline(file, line)) {
    if (line.rfind("| " + std::to_string(next) + " | `", 0) != 0) continue;
    const StatusInfo status = info(static_cast<Status>(next));
    const auto last = line.rfind('|', line.size() - 2);
    const std::string retry = line.substr(last + 2);
    INFO(line);
    CHECK(line.find("`" + std::string{status.word} + "`") != std::string::npos);
    CHECK((retry.rfind("yes", 0) == 0) == (status.retry == Retry::yes));
    CHECK((retry.rfind("if idempotent", 0) == 0) == (status.retry == Retry::if_idempotent));
    ++next;
  }
  CHECK(next == kStatusCount);
}

}  // namespace
}  // namespace samovar
