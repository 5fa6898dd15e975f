// Runs one scenario: a text file that reads as a story (see scenarios/README.md). Each line is put to the real Wire and
// Core as encoded messages; what they answer is decoded and compared with the lines that begin with '>'.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/core.hpp"
#include "broker/core/wire.hpp"
#include "tests/broker/messages.hpp"

namespace samovar::test {

// A line cut into words: bare ones, key=value, and "quoted text".
struct Line {
  int number = 0;
  std::string raw;
  std::vector<std::string> words;             // in order
  std::map<std::string, std::string> values;  // key=value
  std::vector<std::string> texts;             // "quoted"

  bool has(std::string_view word) const;
  std::string value(const std::string& key, std::string otherwise = "") const;
  std::string text() const { return texts.empty() ? std::string() : texts.front(); }
};
std::optional<Line> parse_line(std::string_view raw, int number);  // empty for blank lines and comments

// What the broker said to one peer: one or more neighbouring items of one message that differ in their id only.
struct Said {
  std::string peer;
  std::string what;  // "request", "ok", "error", "hello", ...
  std::string word;  // of an error
  std::vector<std::uint64_t> ids;
  std::map<std::string, std::string> values;  // further facts; a scenario names those that matter to it
  std::string text;                           // the message, or the result as JSON

  std::string line() const;
};

class Story {
 public:
  explicit Story(std::string path);

  // The file's first line, which is a comment with one sentence.
  static std::string title(const std::string& path);

  // Empty when all went as told; otherwise what did not, with file and line.
  std::string run();

 private:
  struct Peer {
    broker::PeerId id{};
    broker::Side side{};
    std::uint64_t epoch = 0;
  };
  // A dispatch that a worker has seen.
  struct Dispatch {
    std::string worker;
    std::uint64_t caller_id = 0;
    std::uint64_t id = 0;
    std::uint8_t attempt = 1;
    std::string echo;  // "client:id", which the reply's value repeats
  };

  void configure(const Line& line);
  void act(const Line& line);
  void expect(const Line& line);
  void end_of_step();
  void forget_everything();

  Peer& peer(const std::string& name);
  Peer& greeted(const std::string& name, const Line* line = nullptr);
  void hello(const std::string& name, const Line& line);
  void grant(const Line& line);
  void send(const std::string& name, std::string frame, std::size_t attachments = 0,
            const std::string& echo = "");
  void ready(const Line& line);
  void request(const Line& line);
  void reply(const Line& line);
  void obituary(const Line& line);
  void pool(const Line& line);
  void done(const Line& line);
  void items(const Line& line);
  void told(const Line& line);
  void raw_message(const Line& line);
  void advance(broker::Duration by);

  void collect();
  void collect(const broker::Message& message);
  void add(Said said);
  std::uint64_t caller_id(std::uint64_t dispatch_id) const;
  const Dispatch* find_dispatch(std::uint64_t caller_id, const std::string& worker) const;
  std::string name_of(broker::PeerId id) const;
  [[noreturn]] void fail(const Line& line, const std::string& why) const;

  const std::string path_;
  broker::CoreConfig config_;
  broker::TimePoint now_{};
  std::unique_ptr<broker::Core> core_;
  std::unique_ptr<broker::Wire> wire_;
  std::map<std::string, Peer> peers_;
  std::uint64_t peers_made_ = 0;
  std::uint64_t nonce_ = 0;
  std::uint64_t unasked_nonce_ = 0;  // of a HELLO that a line only implied: its answer is not shown
  std::vector<Dispatch> dispatches_;
  std::map<std::string, std::uint64_t> commands_;  // by supervisor: the last

  bool joined_ = false;  // the next line belongs to the same turn of the loop
  std::optional<Line> step_;
  std::vector<Said> got_;
  std::vector<Line> expected_;
  std::string problems_;
};

}  // namespace samovar::test
