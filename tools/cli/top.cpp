// samovar top: the broker at work, drawn again every second until q or Ctrl-C. Without a terminal: one frame.
#define NCURSES_NOMACROS 1  // its macros have names like timeout and move
#include <curses.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <thread>
#include <utility>

#include "tools/cli/ask.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/top_frame.hpp"

namespace samovar::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPeriod = 1000ms;

volatile sig_atomic_t stopped = 0;

// Before curses looks at them: it leaves handlers of others alone, and its own would end the program in the middle.
void stop_at_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };  // without SA_RESTART: a wait for a key ends
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
}

// The terminal as curses has it; as it was before, when this ends.
class Screen {
 public:
  // False when this terminal is none that curses knows.
  bool open() {
    std::setlocale(LC_ALL, "");
    screen_ = ::newterm(nullptr, stdout, stdin);
    if (!screen_) return false;
    ::cbreak();
    ::noecho();
    ::keypad(stdscr, TRUE);
    ::curs_set(0);
    return true;
  }
  ~Screen() {
    if (!screen_) return;
    ::endwin();
    ::delscreen(screen_);
  }
  Screen() = default;
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // What does not fit is left out.
  static void draw(const std::string& notice, const std::vector<TopLine>& lines) {
    ::erase();
    int at = 0;
    if (!notice.empty()) put(at++, notice, A_BOLD);
    for (const auto& line : lines) put(at++, line.text, line.is_head ? A_REVERSE : A_NORMAL);
    if (at > LINES) put(LINES - 1, "... (the window is too small for the rest)", A_BOLD);
    ::refresh();
  }

  // The next key within this time, or ERR.
  static int key(std::chrono::milliseconds time) {
    ::timeout(static_cast<int>(std::max<std::int64_t>(time.count(), 0)));
    return ::getch();
  }

 private:
  static void put(int line, const std::string& text, attr_t attributes) {
    if (line >= LINES) return;
    ::attrset(static_cast<int>(attributes));
    ::move(line, 0);
    ::clrtoeol();
    ::addnstr(text.c_str(), COLS);
    ::attrset(A_NORMAL);
  }

  SCREEN* screen_ = nullptr;
};

// Two looks, so that there are rates.
int print_one(const Common& common) {
  const auto before = ask(common, "samovar.status");
  if (!before.result) return before.exit_code;
  std::this_thread::sleep_for(kPeriod);
  const auto now = ask(common, "samovar.status");
  if (!now.result) return now.exit_code;
  for (const auto& line : top_frame(*before.result, *now.result)) std::printf("%s\n", line.text.c_str());
  return 0;
}

int follow(const Common& common) {
  Client client{common.endpoint,
                options_of(common)};  // throws for a wrong endpoint: the terminal is untouched yet
  stop_at_signals();
  Screen screen;
  if (!screen.open()) return print_one(common);
  Json last;
  std::vector<TopLine> frame;
  while (!stopped) {
    const auto next = Clock::now() + kPeriod;
    const auto result = client.try_call<Value>("samovar.status", timeout(kPeriod));
    std::string notice;
    if (result.ok()) {
      Json now = Json::parse(result->to_json());
      frame = top_frame(last, now);
      last = std::move(now);
    } else {
      notice = std::string(to_word(result.error().code())) + ": " + result.error().details().message;
    }
    do {
      Screen::draw(notice, frame);
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
      const int key = Screen::key(left);
      if (key == 'q' || key == 'Q') return 0;
    } while (!stopped && Clock::now() < next);
  }
  return 0;
}

}  // namespace

int top(const Common& common, bool once) {
  if (common.json) {
    std::fprintf(stderr, "samovar: top is for people; for programs: samovar status --json\n");
    return kUsageError;
  }
  const bool is_terminal = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
  return once || !is_terminal ? print_one(common) : follow(common);
}

}  // namespace samovar::cli
