#include "broker/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "proto/printable.hpp"

namespace samovar::broker {
namespace {

// The message as a JSON string in ASCII, quotes included. What is no UTF-8 is replaced.
class JsonMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const nlohmann::json text = std::string(message.payload.data(), message.payload.size());
    const auto line = text.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

// The message in one line, whatever peers have put into it.
class TextMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const auto line = proto::printable({message.payload.data(), message.payload.size()});
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<TextMessage>(); }
};

constexpr std::uint32_t kPerSecond = 10;

spdlog::level::level_enum level_of(Note::Level level) {
  switch (level) {
    case Note::Level::debug: return spdlog::level::debug;
    case Note::Level::info: return spdlog::level::info;
    case Note::Level::warning: return spdlog::level::warn;
  }
  return spdlog::level::info;
}

}  // namespace

void open_log(const LogOptions& options) {
  auto logger =
      std::make_shared<spdlog::logger>("samovard", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (options.format == "json") {
    formatter->add_flag<JsonMessage>('J').set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","name":"samovard","message":%J})");
  } else {
    formatter->add_flag<TextMessage>('Q').set_pattern("%Y-%m-%d %H:%M:%S.%e samovard %l: %Q");
  }
  logger->set_formatter(std::move(formatter));
  logger->set_level(spdlog::level::from_str(options.level));
  logger->flush_on(spdlog::level::trace);
  // A log that cannot be written (a full disk) must not take the broker with it.
  logger->set_error_handler([](const std::string&) {});
  spdlog::set_default_logger(std::move(logger));
}

void NoteLog::write(const Note& note, TimePoint now) {
  Topic& topic = topics_[note.topic];
  if (now - topic.window >= std::chrono::seconds(1)) {
    if (topic.left_out > 0) spdlog::warn("{} more lines about {} were left out", topic.left_out, note.topic);
    topic = {now, 0, 0};
  }
  if (topic.written >= kPerSecond) {
    topic.left_out += 1;
    return;
  }
  topic.written += 1;
  spdlog::log(level_of(note.level), "{}", note.text);
}

}  // namespace samovar::broker
