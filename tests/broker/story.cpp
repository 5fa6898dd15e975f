#include "tests/broker/story.hpp"

#include <algorithm>
#include <fstream>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace samovar::test {
namespace {

using broker::Duration;
using broker::Side;

constexpr auto kStart = std::chrono::hours(1000);
constexpr std::string_view kClock = "the clock of this host";

std::uint64_t number(const std::string& text) {
  std::size_t used = 0;
  const auto value = std::stoull(text, &used, 0);
  if (used != text.size()) throw std::invalid_argument("'" + text + "' is not a number");
  return value;
}

// "5s", "20ms", "150us", "24h", "-2s"
Duration duration(const std::string& text) {
  std::size_t used = 0;
  const auto count = std::stoll(text, &used);
  const std::string unit = text.substr(used);
  if (unit == "us") return std::chrono::microseconds(count);
  if (unit == "ms") return std::chrono::milliseconds(count);
  if (unit == "s") return std::chrono::seconds(count);
  if (unit == "h") return std::chrono::hours(count);
  throw std::invalid_argument("'" + text + "' is no duration: it needs us, ms, s or h");
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

// "a:1,b:2"
std::map<std::string, std::string> pairs(const std::string& text) {
  std::map<std::string, std::string> found;
  for (const auto& part : split(text, ',')) {
    const auto colon = part.find(':');
    if (colon == std::string::npos) throw std::invalid_argument("'" + part + "' is not name:value");
    found[part.substr(0, colon)] = part.substr(colon + 1);
  }
  return found;
}

// "ipgeo,8": args of text and numbers, no kwargs; a body.
std::string arguments(const std::string& text) {
  const auto parts = split(text, ',');
  std::string out;
  proto::append_array(out, static_cast<std::uint32_t>(parts.size()));
  for (const auto& part : parts) {
    if (part.find_first_not_of("0123456789") == std::string::npos) {
      proto::append_uint(out, number(part));
    } else {
      proto::append_str(out, part);
    }
  }
  out += proto::kNil;
  return out;
}

// "7", "1..300", "7,9,12..14"
// "7:integer": a hash, and the schema of a method `country` whose parameter `ip` is of that type.
std::pair<std::uint64_t, std::string> schema_of(const std::string& text) {
  const auto colon = text.find(':');
  const auto hash = number(text.substr(0, colon));
  const nlohmann::json parameter{
      {"name", "ip"}, {"required", true}, {"schema", {{"type", text.substr(colon + 1)}}}};
  const nlohmann::json schema{
      {"hash", hash},
      {"methods", {{"country", {{"parameters", {parameter}}, {"result", {{"type", "string"}}}}}}}};
  const auto packed = nlohmann::json::to_msgpack(schema);
  return {hash, {packed.begin(), packed.end()}};
}

// Args of samovar.declare, no kwargs; a body.
std::string declaration(const std::string& text) {
  const auto [hash, schema] = schema_of(text);
  std::string out;
  proto::append_array(out, 2);
  proto::append_uint(out, hash);
  return out.append(schema).append(proto::kNil);
}

std::vector<std::uint64_t> ids_of(const std::string& text) {
  std::vector<std::uint64_t> ids;
  for (const auto& part : split(text, ',')) {
    const auto dots = part.find("..");
    const auto first = number(part.substr(0, dots));
    const auto last = dots == std::string::npos ? first : number(part.substr(dots + 2));
    for (auto id = first; id <= last; ++id) ids.push_back(id);
  }
  return ids;
}

std::string to_text(const std::vector<std::uint64_t>& ids) {
  std::string text;
  for (std::size_t i = 0; i < ids.size();) {
    std::size_t last = i;
    while (last + 1 < ids.size() && ids[last + 1] == ids[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(ids[i]);
    if (last > i) text += (last > i + 1 ? ".." : ",") + std::to_string(ids[last]);
    i = last + 1;
  }
  return text;
}

std::string json(std::string_view msgpack_bytes) {
  std::ostringstream out;
  out << msgpack::unpack(msgpack_bytes.data(), msgpack_bytes.size()).get();
  return out.str();
}

std::string to_text(const Line& line) {
  return line.raw;
}

bool matches(const Line& line, const Said& said) {
  // "> c1 error id=7 worker_lost where=running "text""
  const std::vector<std::string> words = said.word.empty()
                                             ? std::vector<std::string>{said.peer, said.what}
                                             : std::vector<std::string>{said.peer, said.what, said.word};
  if (line.words != words) return false;
  const auto id = line.values.find("id");
  if ((id != line.values.end()) != !said.ids.empty()) return false;
  if (id != line.values.end() && ids_of(id->second) != said.ids) return false;
  for (const auto& [key, value] : line.values) {
    if (key == "id") continue;
    const auto at = said.values.find(key);
    if (at == said.values.end() || at->second != value) return false;
  }
  return std::all_of(line.texts.begin(), line.texts.end(),
                     [&](const auto& text) { return said.text.find(text) != std::string::npos; });
}

}  // namespace

// --- lines -------------------------------------------------------------------------------------------------

bool Line::has(std::string_view word) const {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string Line::value(const std::string& key, std::string otherwise) const {
  const auto at = values.find(key);
  return at == values.end() ? otherwise : at->second;
}

std::optional<Line> parse_line(std::string_view raw, int line_number) {
  Line line;
  line.number = line_number;
  line.raw = raw;
  std::size_t i = 0;
  const auto quoted = [&] {
    const auto end = raw.find('"', i + 1);
    if (end == std::string_view::npos) throw std::invalid_argument("a quote does not end");
    std::string text(raw.substr(i + 1, end - i - 1));
    i = end + 1;
    return text;
  };
  while (i < raw.size()) {
    if (raw[i] == ' ') {
      ++i;
    } else if (raw[i] == '#') {
      break;
    } else if (raw[i] == '"') {
      line.texts.push_back(quoted());
    } else {
      std::string word;
      while (i < raw.size() && raw[i] != ' ' && raw[i] != '"') word += raw[i++];
      const auto equals = word.find('=');
      if (equals == std::string::npos || equals == 0) {
        line.words.push_back(word);
      } else {
        const bool text_follows = equals + 1 == word.size() && i < raw.size() && raw[i] == '"';
        line.values[word.substr(0, equals)] = text_follows ? quoted() : word.substr(equals + 1);
      }
    }
  }
  if (line.words.empty()) return std::nullopt;
  return line;
}

std::string Said::line() const {
  std::string out = "> " + peer + " " + what;
  if (!ids.empty()) out += " id=" + to_text(ids);
  if (!word.empty()) out += " " + word;
  for (const auto& [key, value] : values) out += " " + key + "=" + value;
  if (!text.empty()) out += " \"" + text + "\"";
  return out;
}

// --- the story ---------------------------------------------------------------------------------------------

Story::Story(std::string path) : path_(std::move(path)), now_(kStart) {
  config_.broker_id = "b1";
  config_.clock = kClock;
  config_.endpoints = {"tcp://127.0.0.1:7711"};
}

std::string Story::title(const std::string& path) {
  std::ifstream in(path);
  std::string first;
  std::getline(in, first);
  return first.size() > 2 && first.substr(0, 2) == "# " ? first.substr(2)
                                                        : "(no sentence in the first line) " + path;
}

void Story::fail(const Line& line, const std::string& why) const {
  throw std::runtime_error(path_ + ":" + std::to_string(line.number) + ": " + line.raw + "\n  " + why);
}

std::string Story::run() {
  std::ifstream in(path_);
  std::string raw;
  int line_number = 0;
  try {
    while (std::getline(in, raw)) {
      ++line_number;
      std::optional<Line> line;
      try {
        line = parse_line(raw, line_number);
      } catch (const std::exception& error) {
        return path_ + ":" + std::to_string(line_number) + ": " + error.what();
      }
      if (!line) continue;
      if (line->words[0] == ">") {
        line->words.erase(line->words.begin());
        expected_.push_back(*line);
        continue;
      }
      if (!joined_) end_of_step();
      joined_ = line->words.back() == "&";
      if (joined_) line->words.pop_back();
      try {
        if (line->words[0] == "config") {
          configure(*line);
          continue;
        }
        if (!core_) {
          core_ = std::make_unique<broker::Core>(config_, now_);
          wire_ = std::make_unique<broker::Wire>(*core_);
        }
        if (line->words[0] == "expect") {
          expect(*line);
          continue;
        }
        step_ = *line;
        act(*line);
        if (!joined_) core_->tick(now_);
        if (const char* broken = core_->check_invariants())
          fail(*line, std::string("an invariant broke: ") + broken);
        if (!joined_) collect();
      } catch (const std::invalid_argument& error) {
        fail(*line, error.what());
      }
    }
    end_of_step();
    if (core_) forget_everything();
  } catch (const std::runtime_error& error) {
    problems_ += error.what();
  }
  return problems_;
}

// What a step should have said, against what it said. Peers are independent of each other; each one's order counts.
void Story::end_of_step() {
  auto expected = expected_;
  auto got = got_;
  std::stable_sort(expected.begin(), expected.end(),
                   [](auto& a, auto& b) { return a.words[0] < b.words[0]; });
  std::stable_sort(got.begin(), got.end(), [](auto& a, auto& b) { return a.peer < b.peer; });
  bool same = expected.size() == got.size();
  for (std::size_t i = 0; same && i < got.size(); ++i) same = matches(expected[i], got[i]);
  if (!same) {
    problems_ +=
        path_ + ":" + std::to_string(step_ ? step_->number : 0) + ": " + (step_ ? step_->raw : "") + "\n";
    for (const auto& line : expected_) {
      const bool found =
          std::any_of(got_.begin(), got_.end(), [&](const Said& said) { return matches(line, said); });
      problems_ += (found ? "      " : "    - ") + to_text(line) + "\n";
    }
    for (const auto& said : got_) {
      const bool wanted = std::any_of(expected_.begin(), expected_.end(),
                                      [&](const Line& line) { return matches(line, said); });
      problems_ += (wanted ? "      " : "    + ") + said.line() + "\n";
    }
    problems_ += "    (- expected, + got)\n";
  }
  expected_.clear();
  got_.clear();
}

// Whatever the story was: when everybody has left, nothing is kept.
void Story::forget_everything() {
  for (const auto& [name, known] : peers_) core_->handle(broker::event::PeerLost{known.id}, now_);
  advance(std::chrono::minutes(1));
  const auto sizes = core_->sizes();
  if (sizes.peers + sizes.requests + sizes.queued + sizes.in_flight + sizes.timers + sizes.queued_bytes +
          sizes.flights + sizes.grants !=
      0) {
    problems_ += path_ + ": after everybody has left, something is kept: " + std::to_string(sizes.peers) +
                 " peers, " + std::to_string(sizes.requests) + " requests, " + std::to_string(sizes.queued) +
                 " queued, " + std::to_string(sizes.in_flight) + " in flight, " +
                 std::to_string(sizes.timers) + " timers\n";
  }
}

void Story::configure(const Line& line) {
  if (core_) fail(line, "config comes first");
  for (const auto& [key, value] : line.values) {
    if (key == "secured")
      config_.secured = value == "yes";
    else if (key == "services")
      config_.services = split(value, ',');
    else if (key == "quarantine_after")
      config_.quarantine_after = static_cast<std::uint32_t>(number(value));
    else if (key == "max_queued")
      config_.max_queued = number(value);
    else if (key == "max_queued_bytes")
      config_.max_queued_bytes = number(value);
    else if (key == "max_outstanding")
      config_.max_outstanding_per_client = number(value);
    else if (key == "max_queued_bytes_per_client")
      config_.max_queued_bytes_per_client = number(value);
    else if (key == "max_rate")
      config_.max_requests_per_second_per_client = number(value);
    else if (key == "max_body")
      config_.max_body = number(value);
    else if (key == "default_timeout")
      config_.default_timeout = duration(value);
    else if (key == "max_timeout")
      config_.max_timeout = duration(value);
    else if (key == "startup_grace")
      config_.startup_grace = duration(value);
    else if (key == "no_worker_grace")
      config_.no_worker_grace = duration(value);
    else if (key == "stream_idle")
      config_.stream_idle = duration(value);
    else if (key == "drain_grace")
      config_.drain_grace = duration(value);
    else
      fail(line, "config has no '" + key + "'");
  }
}

void Story::act(const Line& line) {
  const std::string& verb = line.words[0];
  const auto name = [&]() -> const std::string& {
    if (line.words.size() < 2) fail(line, "who?");
    return line.words[1];
  };
  if (verb == "advance") {
    if (joined_)
      now_ += duration(name());  // it does not wake in between
    else
      advance(duration(name()));
  } else if (verb == "grant") {
    grant(line);
  } else if (verb == "hello") {
    hello(name(), line);
  } else if (verb == "worker") {
    ready(line);
  } else if (verb == "request") {
    request(line);
  } else if (verb == "reply") {
    reply(line);
  } else if (verb == "cancel") {
    send(name(), proto::encode_ids(proto::Kind::cancel, greeted(name()).epoch, ids_of(line.value("id"))));
  } else if (verb == "items") {
    items(line);
  } else if (verb == "window") {
    const auto epoch = number(line.value("epoch", std::to_string(greeted(name()).epoch)));
    send(name(), proto::encode_windows(epoch, {{number(line.value("id")), number(line.value("window"))}}));
  } else if (verb == "told") {
    told(line);
  } else if (verb == "drain") {
    send(name(), proto::encode(proto::Kind::drain, greeted(name()).epoch, proto::Notice{}));
  } else if (verb == "brokers") {
    const auto count = static_cast<std::uint32_t>(number(line.words.at(2)));
    send(name(), proto::encode(greeted(name()).epoch, proto::Brokers{count}));
  } else if (verb == "drained") {
    send(name(), proto::encode(proto::Kind::drained, greeted(name()).epoch, proto::Notice{}));
  } else if (verb == "lost") {
    core_->handle(broker::event::PeerLost{peer(name()).id}, now_);
    peers_.erase(name());
  } else if (verb == "obituary") {
    obituary(line);
  } else if (verb == "pool") {
    pool(line);
  } else if (verb == "done") {
    done(line);
  } else if (verb == "clock") {
    core_->handle(broker::event::WallClock{number(name()) * 1'000'000}, now_);
  } else if (verb == "pool_failed") {
    core_->handle(broker::event::PoolFailed{name(), line.text()}, now_);
  } else if (verb == "message") {
    raw_message(line);
  } else if (verb == "shutdown") {
    core_->handle(broker::event::Shutdown{}, now_);
  } else {
    fail(line, "no such verb");
  }
}

void Story::expect(const Line& line) {
  if (line.words.size() < 2) fail(line, "expect what?");
  const auto check = [&](const std::string& key, std::uint64_t actual) {
    if (actual != number(line.value(key))) fail(line, key + " is " + std::to_string(actual));
  };
  if (line.words[1] == "counters") {
    for (const auto& [key, value] : line.values) {
      const auto* counter = std::find_if(broker::kCounters.begin(), broker::kCounters.end(),
                                         [&, &wanted = key](const auto& c) { return c.name == wanted; });
      if (counter == broker::kCounters.end()) fail(line, "no counter '" + key + "'");
      check(key, core_->counters().*counter->value);
    }
  } else if (line.words[1] == "sizes") {
    const auto sizes = core_->sizes();
    const std::map<std::string, std::size_t> known{
        {"peers", sizes.peers},         {"requests", sizes.requests}, {"queued", sizes.queued},
        {"in_flight", sizes.in_flight}, {"timers", sizes.timers},     {"queued_bytes", sizes.queued_bytes},
        {"flights", sizes.flights}};
    for (const auto& [key, value] : line.values) {
      if (!known.contains(key)) fail(line, "no size '" + key + "'");
      check(key, known.at(key));
    }
  } else if (line.words[1] == "drained") {
    if (!core_->drained()) fail(line, "it is not drained");
  } else if (line.words[1] == "undrained") {
    if (core_->drained()) fail(line, "it is drained");
  } else if (line.words[1] == "clients_drained") {
    if (!core_->clients_drained()) fail(line, "a client has not answered DRAIN");
  } else if (line.words[1] == "clients_undrained") {
    if (core_->clients_drained()) fail(line, "all clients have answered DRAIN");
  } else {
    fail(line, "expect counters, sizes, drained, undrained, clients_drained or clients_undrained");
  }
}

// As the server's loop: it wakes whenever something is due.
void Story::advance(Duration by) {
  const auto until = now_ + by;
  while (const auto due = core_->next_deadline()) {
    if (*due > until) break;
    now_ = std::max(now_, *due);
    core_->tick(now_);
  }
  now_ = until;
}

// --- what peers say ----------------------------------------------------------------------------------------

Story::Peer& Story::peer(const std::string& name) {
  auto [at, fresh] = peers_.try_emplace(name);
  if (fresh) {
    at->second.id = static_cast<broker::PeerId>(++peers_made_);
    at->second.side = name[0] == 'c' ? Side::frontend : Side::backend;
  }
  return at->second;
}

void Story::send(const std::string& name, std::string bytes, std::size_t attachments,
                 const std::string& echo) {
  Peer& from = peer(name);
  broker::Frames frames;
  for (std::size_t i = 0; i < attachments; ++i) frames.push_back(frame(echo + "#" + std::to_string(i)));
  wire_->receive(from.side, from.id, frame(std::move(bytes)), std::move(frames), now_);
}

void Story::hello(const std::string& name, const Line& line) {
  proto::PeerHello hello;
  hello.nonce = ++nonce_;
  hello.name = line.value("name", name);
  hello.clock = line.value("clock") == "other" ? "another clock" : kClock;
  hello.token = line.value("token", name);
  hello.role = name[0] == 'c'   ? proto::Role::client
               : name[0] == 'w' ? proto::Role::worker
                                : proto::Role::supervisor;
  if (line.value("role") == "client") hello.role = proto::Role::client;
  if (line.value("role") == "worker") hello.role = proto::Role::worker;
  send(name, proto::encode(0, hello));
}

void Story::grant(const Line& line) {
  if (line.words.size() != 2) fail(line, "grant NAME calls=a,b provides=c administers=yes, or revoked=yes");
  const Peer& to = peer(line.words[1]);
  auto given = std::make_shared<broker::Grant>();
  given->name = line.value("name", line.words[1]);
  given->calls = split(line.value("calls"), ',');
  given->provides = split(line.value("provides"), ',');
  given->administers = line.value("administers") == "yes";
  const bool revoked = line.value("revoked") == "yes";
  core_->handle(broker::event::Granted{to.side, to.id, revoked ? nullptr : given}, now_);
}

// The peer, which says HELLO now if it has not.
Story::Peer& Story::greeted(const std::string& name, const Line* line) {
  Peer& known = peer(name);
  if (known.epoch == 0) {
    hello(name, line ? *line : Line{});
    unasked_nonce_ = nonce_;
    auto said = std::move(got_);
    got_.clear();
    collect();
    said.insert(said.end(), got_.begin(), got_.end());
    got_ = std::move(said);
  }
  return peers_.at(name);
}

void Story::ready(const Line& line) {
  if (line.words.size() != 4 || line.words[2] != "ready") fail(line, "worker NAME ready SERVICE");
  const std::string& name = line.words[1];
  proto::Ready ready;
  ready.service = line.words[3];
  ready.credit = static_cast<std::uint32_t>(number(line.value("credit", "1")));
  ready.concurrency = static_cast<std::uint32_t>(number(line.value("concurrency", "1")));
  ready.generation = number(line.value("generation", "0"));
  ready.uid = number(line.value("uid", "0"));
  ready.brokers = static_cast<std::uint32_t>(number(line.value("brokers", "1")));
  ready.pid = number(line.value("pid", "0"));
  ready.name = line.value("name", name);
  ready.supervisor = line.value("supervisor");
  if (line.values.contains("schema")) {
    std::tie(ready.schema_hash, ready.schema) = schema_of(line.value("schema"));
  }
  for (const auto& method : split(line.value("methods", "country"), ',')) ready.methods[method];
  for (const auto& method : split(line.value("idempotent"), ',')) ready.methods[method].idempotent = true;
  for (const auto& method : split(line.value("pure"), ',')) ready.methods[method].pure = true;
  for (const auto& method : split(line.value("streams"), ',')) ready.methods[method].stream = true;
  for (const auto& [method, text] : pairs(line.value("timeout"))) {
    ready.methods[method].timeout_us = broker::to_us(duration(text));
  }
  for (const auto& [method, text] : pairs(line.value("priority"))) {
    ready.methods[method].priority = static_cast<proto::Priority>(number(text));
  }
  if (!ready.supervisor.empty()) greeted(ready.supervisor);
  const auto epoch = greeted(name, &line).epoch;
  send(name, proto::encode(number(line.value("epoch", std::to_string(epoch))), ready));
}

// request c1 id=7 ipgeo.country ... + id=8 ipgeo.city ...   both in one message
void Story::request(const Line& line) {
  const std::string name = line.words.at(1);
  const auto from = greeted(name).epoch;
  std::vector<RequestSpec> items;
  std::uint64_t epoch = from;
  std::uint64_t sent_us = 0;
  broker::Frames frames;
  std::vector<std::string> parts{""};
  const auto start = line.raw.find(name) + name.size();
  std::string rest = line.raw.substr(start);
  if (!rest.empty() && rest.back() == '&') rest.pop_back();
  for (std::size_t plus; (plus = rest.find(" + ")) != std::string::npos; rest = rest.substr(plus + 3)) {
    parts.back() = rest.substr(0, plus);
    parts.emplace_back();
  }
  parts.back() = rest;
  for (const auto& part : parts) {
    const auto item = parse_line(part, line.number);
    if (!item || item->words.empty()) fail(line, "request CLIENT id=ID SERVICE.METHOD");
    const std::uint64_t attachments = number(item->value("attachments", "0"));
    for (const auto id : ids_of(item->value("id"))) {
      RequestSpec spec;
      spec.id = id;
      spec.method = item->words[0];
      spec.attempt = static_cast<std::uint8_t>(number(item->value("attempt", "1")));
      if (item->has("idempotent")) spec.flags |= proto::kIdempotent;
      if (item->has("stream")) spec.flags |= proto::kStream;
      if (item->has("replay")) spec.flags |= proto::kReplay;
      if (item->has("metadata")) spec.flags |= proto::kMetadata;
      if (item->values.contains("deadline"))
        spec.timeout_us = broker::to_us(duration(item->value("deadline")));
      std::string echo = name + ":" + std::to_string(id);
      const std::string sent_echo = echo;
      const auto bytes = number(item->value("bytes", "0"));
      if (bytes > echo.size()) echo.append(bytes - echo.size(), '.');
      std::map<std::string, std::uint64_t> extensions;
      if (attachments > 0) extensions["attachments"] = attachments;
      if (item->values.contains("priority")) extensions["priority"] = number(item->value("priority"));
      if (item->values.contains("window")) extensions["window"] = number(item->value("window"));
      if (item->values.contains("schema")) extensions["schema"] = number(item->value("schema"));
      if (item->values.contains("ext")) extensions[item->value("ext")] = 1;
      if (item->values.contains("args")) echo = item->value("args");
      if (item->values.contains("body")) echo = item->value("body");
      spec.tail = item->values.contains("args")       ? arguments(item->value("args"))
                  : item->values.contains("declares") ? declaration(item->value("declares"))
                  : item->has("broken_args")          ? str("no array") + std::string(proto::kNil)
                                                      : body(echo);
      spec.tail += ext(extensions, item->value("affinity"));
      items.push_back(spec);
      for (std::uint64_t i = 0; i < attachments; ++i)
        frames.push_back(frame(sent_echo + "#" + std::to_string(i)));
    }
    if (item->values.contains("sent")) {
      sent_us = broker::to_us(now_.time_since_epoch() + duration(item->value("sent")));
    }
    if (item->values.contains("epoch")) epoch = number(item->value("epoch"));
    if (item->values.contains("spare_frames")) {
      for (auto i = number(item->value("spare_frames")); i > 0; --i) frames.push_back(frame("spare"));
    }
  }
  const Peer& to = peer(name);
  wire_->receive(to.side, to.id, frame(encode_requests(epoch, sent_us, items)), frames, now_);
}

std::uint64_t Story::caller_id(std::uint64_t dispatch_id) const {
  const auto at = std::find_if(dispatches_.begin(), dispatches_.end(),
                               [&](const Dispatch& dispatch) { return dispatch.id == dispatch_id; });
  return at == dispatches_.end() ? 0 : at->caller_id;
}

const Story::Dispatch* Story::find_dispatch(std::uint64_t caller_id, const std::string& worker) const {
  const auto latest = [&](bool any) -> const Dispatch* {
    for (auto at = dispatches_.rbegin(); at != dispatches_.rend(); ++at) {
      if (at->caller_id == caller_id && (any || at->worker == worker)) return &*at;
    }
    return nullptr;
  };
  const Dispatch* own = latest(false);
  return own ? own : latest(true);
}

// reply w1 id=7 [status=app_error] [run=150us] [attempt=2] [epoch=1] [attachments=1] [unknown] [ext=key]
void Story::reply(const Line& line) {
  const std::string name = line.words.at(1);
  const auto status_word = line.value("status", "ok");
  std::uint8_t status = 0;
  while (status < kStatusCount && to_word(static_cast<Status>(status)) != status_word) ++status;
  if (status == kStatusCount) fail(line, "no status '" + status_word + "'");
  const auto attachments = number(line.value("attachments", "0"));
  std::vector<ReplySpec> items;
  broker::Frames frames;
  for (const auto id : ids_of(line.value("id"))) {
    ReplySpec spec;
    std::string echo = "nobody";
    if (line.has("unknown")) {
      spec.id = id;
    } else {
      const Dispatch* dispatch = find_dispatch(id, name);
      if (!dispatch) fail(line, "no worker has seen a request with id=" + std::to_string(id));
      spec.id = dispatch->id;
      spec.attempt = dispatch->attempt;
      echo = dispatch->echo;
    }
    spec.attempt = static_cast<std::uint8_t>(number(line.value("attempt", std::to_string(spec.attempt))));
    spec.status = static_cast<Status>(status);
    spec.run_us = broker::to_us(duration(line.value("run", status == 0 ? "100us" : "0us")));
    std::map<std::string, std::uint64_t> extensions;
    if (attachments > 0) extensions["attachments"] = attachments;
    if (line.values.contains("ext")) extensions[line.value("ext")] = 1;
    proto::ErrorValue error;
    error.message = line.texts.empty() ? "the worker says so" : line.text();
    error.where = line.value("where", "worker");
    spec.tail = (status == 0 ? str(echo) : proto::encode_error(error)) + ext(extensions);
    items.push_back(spec);
    for (std::uint64_t i = 0; i < attachments; ++i) frames.push_back(frame(echo + "#" + std::to_string(i)));
  }
  const Peer& from = greeted(name);
  const auto epoch = number(line.value("epoch", std::to_string(from.epoch)));
  wire_->receive(from.side, from.id, frame(encode_replies(epoch, items)), frames, now_);
}

// items w1 id=7 seq=0..2 [attempt=2] [epoch=1]
void Story::items(const Line& line) {
  const std::string name = line.words.at(1);
  const Dispatch* dispatch = find_dispatch(number(line.value("id")), name);
  if (!dispatch) fail(line, "no worker has seen that request");
  std::vector<ItemSpec> items;
  for (const auto seq : ids_of(line.value("seq"))) {
    const auto attempt = number(line.value("attempt", std::to_string(dispatch->attempt)));
    items.push_back({dispatch->id, static_cast<std::uint8_t>(attempt), seq, str("item") + ext({})});
  }
  const auto epoch = greeted(name).epoch;
  send(name, encode_items(number(line.value("epoch", std::to_string(epoch))), items));
}

// told handshakes_refused=3 connections=5 connections_refused=2 replies_dropped=4
// told items_dropped=c1 id=7 | told saved=FILE: what the server knows, and the core does not
void Story::told(const Line& line) {
  for (const auto& [key, value] : line.values) {
    if (key == "handshakes_refused") {
      core_->handle(broker::event::HandshakesRefused{number(value)}, now_);
    } else if (key == "connections") {
      const auto refused = number(line.value("connections_refused", "0"));
      core_->handle(broker::event::Connections{number(value), refused}, now_);
    } else if (key == "replies_dropped") {
      core_->handle(broker::event::RepliesDropped{number(value)}, now_);
    } else if (key == "items_dropped") {
      core_->handle(broker::event::ItemsDropped{peer(value).id, ids_of(line.value("id"))}, now_);
    } else if (key == "saved") {
      if (!core_->has_poisoned()) fail(line, "there is nothing to be saved");
      for (const auto& poisoned : core_->take_poisoned())
        core_->handle(broker::event::PoisonSaved{poisoned.key, value}, now_);
    } else if (key != "connections_refused" && key != "id") {
      fail(line, "told what?");
    }
  }
}

// obituary w1 [from=s1] [last_started=7 | last_started=none] [running] [signal=9] [exit_code=1] [reason="..."]
void Story::obituary(const Line& line) {
  const std::string name = line.words.at(1);
  proto::Obituary obituary;
  obituary.worker_epoch = line.values.contains("epoch") ? number(line.value("epoch")) : peer(name).epoch;
  const auto optional = [&](const std::string& key) {
    return line.values.contains(key) ? std::optional(number(line.value(key))) : std::nullopt;
  };
  obituary.pid = optional("pid");
  obituary.signal = optional("signal");
  obituary.exit_code = optional("exit_code");
  obituary.reason = line.value("reason");
  obituary.stderr_lines = line.value("stderr");
  obituary.running = line.has("running");
  obituary.stack = line.value("stack");
  obituary.out_of_memory = line.has("out_of_memory");
  if (line.value("last_started") == "none") {
    obituary.last_started = 0;
  } else if (const auto id = optional("last_started")) {
    const Dispatch* dispatch = find_dispatch(*id, name);
    if (!dispatch) fail(line, "no worker has seen that request");
    obituary.last_started = dispatch->id;
  }
  const std::string from = line.value("from", "s1");
  const auto epoch = greeted(from).epoch;
  send(from, proto::encode(epoch, obituary));
}

void Story::pool(const Line& line) {
  if (line.words.size() != 4) fail(line, "pool SUPERVISOR SERVICE STATE");
  proto::Pool pool;
  pool.service = line.words[2];
  for (const auto state : {proto::PoolState::loading, proto::PoolState::serving, proto::PoolState::failed,
                           proto::PoolState::stopping}) {
    if (proto::to_word(state) == line.words[3]) pool.state = state;
  }
  pool.reason = line.value("reason");
  pool.wanted = number(line.value("wanted", "0"));
  if (line.values.contains("detail")) pool.detail = str(line.value("detail"));
  const auto epoch = greeted(line.words[1]).epoch;
  send(line.words[1], proto::encode(epoch, pool));
}

// done s1 [failed] [result=word] ["one sentence"]: the last COMMAND that it got; or id=5
void Story::done(const Line& line) {
  const std::string name = line.words.at(1);
  proto::CommandDone done;
  done.id = number(line.value("id", std::to_string(commands_[name])));
  done.ok = !line.has("failed");
  done.message = line.text();
  if (line.values.contains("result")) {
    proto::append_map(done.result, 1);
    proto::append_str(done.result, "what");
    proto::append_str(done.result, line.value("result"));
  }
  const auto epoch = greeted(name).epoch;
  send(name, proto::encode(epoch, done));
}

// message c1 version=2 | message c1 kind=99 [epoch=1] [attachments=1] | message c1 bytes=c1ff
void Story::raw_message(const Line& line) {
  const std::string name = line.words.at(1);
  std::string bytes;
  if (line.values.contains("bytes")) {
    const auto hex = line.value("bytes");
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
  } else {
    proto::append_array(bytes, 4);
    proto::append_uint(bytes, number(line.value("version", "1")));
    proto::append_uint(bytes, number(line.value("kind", "1")));
    proto::append_uint(bytes, number(line.value("epoch", std::to_string(peer(name).epoch))));
    proto::append_map(bytes, 0);
  }
  send(name, bytes, number(line.value("attachments", "0")), "attachment");
}

// --- what the broker says ----------------------------------------------------------------------------------

std::string Story::name_of(broker::PeerId id) const {
  for (const auto& [name, known] : peers_) {
    if (known.id == id) return name;
  }
  return "(gone)";
}

void Story::add(Said said) {
  got_.push_back(std::move(said));
}

void Story::collect() {
  core_->outbox().take_notes();
  for (const auto& message : core_->outbox().take_messages()) collect(message);
}

void Story::collect(const broker::Message& message) {
  const std::string name = name_of(message.peer);
  const Heard heard = hear(message);
  if (heard.malformed) return add(Said{name, "malformed", "", {}, {}, heard.malformed});
  // Neighbours that differ in nothing but their id are one line.
  std::vector<Said> items;
  const auto add_item = [&](Said said) {
    Said* last = items.empty() ? nullptr : &items.back();
    if (last && last->what == said.what && last->word == said.word && last->values == said.values &&
        (last->text == said.text || said.what == "ok")) {
      last->ids.push_back(said.ids.front());
    } else {
      items.push_back(std::move(said));
    }
  };
  std::size_t taken = 0;
  const auto attachments = [&](Said& said, std::uint32_t count, const std::string& echo) {
    if (count == 0) return;
    said.values["attachments"] = std::to_string(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto bytes = message.attachments[taken++]->bytes();
      if (bytes != echo + "#" + std::to_string(i)) said.values["attachments"] = "wrong:" + std::string(bytes);
    }
  };
  switch (heard.kind) {
    case proto::Kind::hello:
      if (name != "(gone)") peers_.at(name).epoch = heard.epoch;
      if (heard.hello.nonce == unasked_nonce_) return;
      return add(Said{name, "hello", "", {}, {{"max_body", std::to_string(heard.hello.max_body)}}, ""});
    case proto::Kind::request:
      for (const auto& item : heard.requests) {
        const std::string whole = text_of_body(item.body);
        const std::string echo = whole.substr(0, whole.find_first_of('.'));
        // A body that the scenario chose has no id in it: it is shown as 0.
        const auto colon = echo.find(':');
        const std::uint64_t id = colon == std::string::npos ? 0 : number(echo.substr(colon + 1));
        Said said{name, "request", "", {id}, {}, ""};
        if (id == 0) said.values["body"] = echo;
        dispatches_.push_back(Dispatch{name, said.ids[0], item.id, item.attempt, echo});
        if (item.attempt != 1) said.values["attempt"] = std::to_string(item.attempt);
        if (item.flags & proto::kIdempotent) said.values["idempotent"] = "yes";
        said.values["left"] = std::to_string(item.timeout_us) + "us";
        for (const auto& [key, value] : read_ext(item.ext)) said.values[key] = value;
        attachments(said, item.attachments, echo);
        add_item(said);
      }
      break;
    case proto::Kind::reply:
      for (const auto& item : heard.replies) {
        Said said{name, "ok", "", {item.id}, {}, ""};
        if (item.attempt != 1) said.values["attempt"] = std::to_string(item.attempt);
        for (const auto& [key, value] : read_ext(item.ext)) said.values[key] = value;
        const std::string echo = name + ":" + std::to_string(item.id);
        if (item.status == Status::ok) {
          said.text = json(item.value);
          const bool of_another = text_of_value(item.value) != echo;
          if (of_another && text_of_value(item.value).find(':') != std::string::npos)
            said.what = "ok-of-another";
        } else {
          proto::ErrorValue error;
          proto::decode_error(item.value, error);
          said.what = "error";
          said.word = to_word(item.status);
          said.text = error.message;
          if (!error.where.empty()) said.values["where"] = error.where;
          if (!error.stderr_lines.empty()) said.values["stderr"] = error.stderr_lines;
          if (!error.stack.empty()) said.values["stack"] = error.stack;
          if (error.pid) said.values["pid"] = std::to_string(*error.pid);
          if (error.signal) said.values["signal"] = std::to_string(*error.signal);
          if (error.exit_code) said.values["exit_code"] = std::to_string(*error.exit_code);
          if (error.retry_after_us) said.values["retry_after"] = std::to_string(*error.retry_after_us) + "us";
        }
        attachments(said, item.attachments, echo);
        add_item(said);
      }
      break;
    case proto::Kind::items:
      for (const auto& item : heard.items)
        add(Said{name, "item", "", {item.id}, {{"seq", std::to_string(item.seq)}}, ""});
      return;
    case proto::Kind::window:
      for (const auto& [id, window] : heard.windows)
        add(Said{name, "window", "", {caller_id(id)}, {{"window", std::to_string(window)}}, ""});
      return;
    case proto::Kind::cancel:
      for (const auto id : heard.cancelled) add(Said{name, "cancel", "", {caller_id(id)}, {}, ""});
      return;
    case proto::Kind::protocol_error: {
      Said said{name, "protocol_error", "", {}, {}, heard.error.message};
      if (heard.error.got) said.values["got"] = std::to_string(*heard.error.got);
      for (const auto version : heard.error.speaks) said.values["speaks"] = std::to_string(version);
      return add(said);
    }
    case proto::Kind::register_again:
      return add(Said{name, "register_again", "", {}, {}, heard.notice.reason});
    case proto::Kind::drain: return add(Said{name, "drain", "", {}, {}, heard.notice.reason});
    case proto::Kind::command: {
      commands_[name] = heard.command.id;
      Said said{name, "command", heard.command.command, {}, {}, ""};
      if (!heard.command.args.empty()) said.values["args"] = json(heard.command.args);
      return add(said);
    }
    case proto::Kind::drained: return add(Said{name, "drained", "", {}, {}, ""});
    default: return add(Said{name, "unknown kind", "", {}, {}, ""});
  }
  for (auto& said : items) {
    said.values["items"] = std::to_string(heard.requests.size() + heard.replies.size());
    add(std::move(said));
  }
}

}  // namespace samovar::test
