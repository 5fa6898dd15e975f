// The same look-ups, done in each way, measured here and now. Every answer is checked.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <samovar/client.hpp>
#include <string>
#include <vector>

#include "stdio.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Country = std::optional<std::string>;

struct Row {
  std::string way;
  std::vector<double> latencies_us;
  double seconds = 0;
};

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double seconds_since(Clock::time_point start) {
  return microseconds_since(start) / 1e6;
}

std::string in_words(double us) {
  char text[32];
  if (us >= 1e6) {
    std::snprintf(text, sizeof text, "%.2f s", us / 1e6);
  } else if (us >= 10e3) {
    std::snprintf(text, sizeof text, "%.0f ms", us / 1e3);
  } else if (us >= 1e3) {
    std::snprintf(text, sizeof text, "%.1f ms", us / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0f us", us);
  }
  return text;
}

std::string with_commas(std::size_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string rate_in_words(double per_second) {
  if (per_second >= 10) return with_commas(static_cast<std::size_t>(per_second));
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", per_second);
  return text;
}

void print(Row row) {
  std::sort(row.latencies_us.begin(), row.latencies_us.end());
  const double p50 = row.latencies_us[row.latencies_us.size() / 2];
  const std::size_t calls = row.latencies_us.size();
  std::printf("  %-52s %9s %10s %12s\n", row.way.c_str(), with_commas(calls).c_str(), in_words(p50).c_str(),
              rate_in_words(static_cast<double>(calls) / row.seconds).c_str());
  std::fflush(stdout);
}

void head(const char* title) {
  std::printf("\n  %-52s %9s %10s %12s\n", title, "calls", "p50", "calls/s");
}

void check(const std::string& way, const std::string& input, const std::string& got,
           const std::string& expected) {
  if (got == expected) return;
  std::fprintf(stderr, "samovar-demo: %s: %s gave '%s', expected '%s'\n", way.c_str(), input.c_str(),
               got.c_str(), expected.c_str());
  std::exit(1);
}

std::string text_of(const Country& country) {
  return country.value_or("None");
}

class Demo {
 public:
  Demo(std::string python, std::string ways, const std::string& endpoint)
      : python_(std::move(python)), ways_(std::move(ways)), client_(endpoint) {
    std::mt19937 random(2021);  // the same addresses each time
    addresses_ = {"1.0.1.0", "8.8.8.8"};
    while (addresses_.size() < 5'000) {
      std::string address;
      for (int i = 0; i < 4; ++i) address += (i ? "." : "") + std::to_string(random() % 223 + 1);
      addresses_.push_back(address);
    }
    // The truth, from the package itself, without Samovar.
    Child reference({python_, ways_ + "/lines.py"});
    for (const auto& address : addresses_) {
      reference.write(address + "\n");
      reference.read_line(countries_.emplace_back());
    }
    check("the package itself", "1.0.1.0", countries_[0], "CN");
    check("the package itself", "8.8.8.8", countries_[1], "US");
  }

  // Calls wait while a service is being loaded.
  void wait_for_services() {
    const auto start = Clock::now();
    client_.call<Country>("ipgeo.country", "1.0.1.0");
    std::printf("  ipgeo answers after %.1f s", seconds_since(start));
    std::fflush(stdout);
    client_.call<void>("segment.cut", "北京");
    std::printf(", segment after %.1f s: both are loaded, once.\n", seconds_since(start));
  }

  void ipgeo() {
    head("ipgeo: which country is an address in?");
    print(process_per_call());
    print(nudged());
    print(lines(1, "a resident process over stdio, a flush per line"));
    print(lines(64, "  the same with 64 lines under way"));
    print(samovar_one());
    print(samovar_many());
  }

  void segment() {
    const std::string text = "我来到北京清华大学";
    const std::string expected = "我/来到/北京/清华大学";
    head("segment: Chinese text into words (slow to load)");
    Row row{"a Python process per call", {}, 0};
    const auto start = Clock::now();
    for (int i = 0; i < 2; ++i) {
      const auto began = Clock::now();
      check(row.way, text, run_once({"segment", text}), expected);
      row.latencies_us.push_back(microseconds_since(began));
    }
    row.seconds = seconds_since(start);
    print(std::move(row));

    row = {"Samovar, 1 call outstanding", {}, 0};
    const auto again = Clock::now();
    for (int i = 0; i < 1'000; ++i) {
      const auto began = Clock::now();
      std::string got;
      for (const auto& word : client_.call<std::vector<std::string>>("segment.cut", text)) {
        got += (got.empty() ? "" : "/") + word;
      }
      check(row.way, text, got, expected);
      row.latencies_us.push_back(microseconds_since(began));
    }
    row.seconds = seconds_since(again);
    print(std::move(row));
  }

 private:
  std::string run_once(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {python_, ways_ + "/per_call.py"});
    Child child(arguments);
    std::string line;
    child.read_line(line);
    return line;
  }

  Row process_per_call() {
    Row row{"a Python process per call", {}, 0};
    const auto start = Clock::now();
    for (std::size_t i = 0; i < 20; ++i) {
      const auto began = Clock::now();
      check(row.way, addresses_[i], run_once({"ipgeo", addresses_[i]}), countries_[i]);
      row.latencies_us.push_back(microseconds_since(began));
    }
    row.seconds = seconds_since(start);
    return row;
  }

  // Four lines at a time; while answers are missing, an empty line every 500 ms.
  Row nudged() {
    Row row{"a resident process over stdio, epoll, 500 ms nudge", {}, 0};
    Child child({python_, ways_ + "/nudge.py"});
    std::string line;
    child.write(addresses_[0] + "\n");
    child.read_line(line);  // it has loaded
    const auto start = Clock::now();
    for (std::size_t burst = 0; burst < 2; ++burst) {
      std::string lines;
      for (std::size_t i = 0; i < 4; ++i) lines += addresses_[4 * burst + i] + "\n";
      const auto began = Clock::now();
      child.write(lines);
      for (std::size_t i = 0; i < 4; ++i) {
        while (!child.read_line(line, 500)) child.write("\n");
        check(row.way, addresses_[4 * burst + i], line, countries_[4 * burst + i]);
        row.latencies_us.push_back(microseconds_since(began));
      }
    }
    row.seconds = seconds_since(start);
    return row;
  }

  Row lines(std::size_t outstanding, std::string way) {
    Row row{std::move(way), {}, 0};
    Child child({python_, ways_ + "/lines.py"});
    std::string line;
    child.write(addresses_[0] + "\n");
    child.read_line(line);
    std::vector<Clock::time_point> began(addresses_.size());
    const auto start = Clock::now();
    std::size_t sent = 0;
    for (std::size_t received = 0; received < addresses_.size(); ++received) {
      for (; sent < addresses_.size() && sent - received < outstanding; ++sent) {
        began[sent] = Clock::now();
        child.write(addresses_[sent] + "\n");
      }
      child.read_line(line);
      check(row.way, addresses_[received], line, countries_[received]);
      row.latencies_us.push_back(microseconds_since(began[received]));
    }
    row.seconds = seconds_since(start);
    return row;
  }

  Row samovar_one() {
    Row row{"Samovar, 1 call outstanding", {}, 0};
    const auto start = Clock::now();
    for (std::size_t i = 0; i < addresses_.size(); ++i) {
      const auto began = Clock::now();
      const auto country = client_.call<Country>("ipgeo.country", addresses_[i]);
      check(row.way, addresses_[i], text_of(country), countries_[i]);
      row.latencies_us.push_back(microseconds_since(began));
    }
    row.seconds = seconds_since(start);
    return row;
  }

  Row samovar_many() {
    Row row{"Samovar, 1,000 calls outstanding", {}, 0};
    constexpr std::size_t kCalls = 100'000;
    constexpr std::size_t kOutstanding = 1'000;
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t answered = 0;
    row.latencies_us.reserve(kCalls);
    const auto start = Clock::now();
    for (std::size_t call = 0; call < kCalls; ++call) {
      {
        std::unique_lock lock(mutex);
        // Woken for a whole batch, not for each reply.
        if (call - answered >= kOutstanding) {
          changed.wait(lock, [&] { return call - answered <= kOutstanding - kOutstanding / 4; });
        }
      }
      const std::size_t i = call % addresses_.size();
      client_.async_call("ipgeo.country", addresses_[i],
                         [&, i, began = Clock::now()](samovar::Result<Country> country) {
                           const std::string got = country ? text_of(*country) : country.error().what();
                           check(row.way, addresses_[i], got, countries_[i]);
                           std::lock_guard lock(mutex);
                           row.latencies_us.push_back(microseconds_since(began));
                           if (++answered % (kOutstanding / 4) == 0 || answered == kCalls)
                             changed.notify_one();
                         });
    }
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return answered == kCalls; });
    row.seconds = seconds_since(start);
    return row;
  }

  const std::string python_;
  const std::string ways_;
  samovar::Client client_;
  std::vector<std::string> addresses_;
  std::vector<std::string> countries_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: samovar-demo PYTHON WAYS ENDPOINT   (script/demo starts it)\n");
    return 2;
  }
  try {
    Demo demo(argv[1], argv[2], argv[3]);
    demo.wait_for_services();
    demo.ipgeo();
    demo.segment();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "samovar-demo: %s\n", error.what());
    return 1;
  }
  std::printf(R"(
  One caller that asks one thing at a time is served faster by a pipe of its own: Samovar's calls pass through a
  broker. For that difference one gets: many callers, in many processes, each with many calls under way; several
  workers, restarted when they die; a deadline and one clear outcome for every call; handlers that may print.
)");
  return 0;
}
