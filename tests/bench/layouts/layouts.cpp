// Compares message layouts over ipc: this process is the client and, in a thread with a ZeroMQ context of
// its own, a ROUTER-ROUTER forwarder; layouts_worker.py is the worker. A bundle holds one or more calls.
//
//   1  one frame:    [version, kind, epoch, (id, attempt, flags, timeout_us, method, args, kwargs, ext)*]
//      reply:        [version, kind, epoch, (id, attempt, status, run_us, value, ext)*]
//   2  head frame:   [version, kind, epoch, (id, attempt, flags, timeout_us, method, ext, size)*]
//      body frame:   [(args, kwargs)*]
//      reply head:   [version, kind, epoch, (id, attempt, status, run_us, ext, size)*]
//      reply body:   [(value)*]
//   3  head frame:   Prefix, Row*
//      method frame: names, separated by line feeds
//      body frame:   [(args, kwargs, ext)*]
//      reply head:   Prefix, Row*
//      reply body:   [(value, ext)*]
//
// `size` counts the bytes of one call in the body frame: it lets a broker split and join bundles without
// parsing bodies, which is the reason to have a head at all.
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <random>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <msgpack.hpp>
#include <zmq.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using Packer = msgpack::packer<msgpack::sbuffer>;

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kRequest = 2;
constexpr std::uint64_t kEpoch = 7;
constexpr std::uint8_t kAttempt = 1;
constexpr std::uint8_t kFlags = 0;
constexpr std::uint32_t kTimeoutUs = 5'000'000;
constexpr std::string_view kMethod = "ipgeo.country";
constexpr std::string_view kArgument = "1.0.1.0";
constexpr std::uint32_t kArgsKwargsBytes = 1 + (1 + kArgument.size()) + 1;
constexpr std::chrono::seconds kPatience{10};

struct Prefix {
  std::uint8_t version, kind;
  std::uint16_t unused;
  std::uint32_t count;
  std::uint64_t epoch;
};

struct Row {
  std::uint64_t id;
  std::uint64_t time_us;  // timeout_us or run_us
  std::uint32_t size;
  std::uint8_t attempt, code;  // code: flags or status
  std::uint16_t unused;
};

static_assert(sizeof(Prefix) == 16 && sizeof(Row) == 24);

// ---------------------------------------------------------------------------------------- codec

using Frames = std::vector<zmq::message_t>;

zmq::message_t to_frame(const msgpack::sbuffer& buffer) {
  return {buffer.data(), buffer.size()};
}

void pack_args_kwargs(Packer& packer) {
  packer.pack_array(1).pack(kArgument);
  packer.pack_nil();
}

Packer& pack_prefix(Packer& packer, std::uint32_t elements) {
  return packer.pack_array(3 + elements).pack(kVersion).pack(kRequest).pack(kEpoch);
}

Frames encode_flat(std::uint64_t first_id, std::uint32_t count) {
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  pack_prefix(packer, 8 * count);
  for (std::uint64_t id = first_id; id < first_id + count; ++id) {
    packer.pack(id).pack(kAttempt).pack(kFlags).pack(kTimeoutUs).pack(kMethod);
    pack_args_kwargs(packer);
    packer.pack_nil();
  }
  Frames frames;
  frames.push_back(to_frame(buffer));
  return frames;
}

Frames encode_head(std::uint64_t first_id, std::uint32_t count) {
  msgpack::sbuffer head;
  msgpack::sbuffer body;
  Packer head_packer(head);
  Packer body_packer(body);
  pack_prefix(head_packer, 7 * count);
  body_packer.pack_array(2 * count);
  for (std::uint64_t id = first_id; id < first_id + count; ++id) {
    head_packer.pack(id).pack(kAttempt).pack(kFlags).pack(kTimeoutUs).pack(kMethod);
    head_packer.pack_nil().pack(kArgsKwargsBytes);
    pack_args_kwargs(body_packer);
  }
  Frames frames;
  frames.push_back(to_frame(head));
  frames.push_back(to_frame(body));
  return frames;
}

Frames encode_method(std::uint64_t first_id, std::uint32_t count) {
  zmq::message_t head(sizeof(Prefix) + count * sizeof(Row));
  std::string methods;
  msgpack::sbuffer body;
  Packer packer(body);
  const Prefix prefix{kVersion, kRequest, 0, count, kEpoch};
  std::memcpy(head.data(), &prefix, sizeof prefix);
  packer.pack_array(3 * count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Row row{first_id + i, kTimeoutUs, kArgsKwargsBytes + 1, kAttempt, kFlags, 0};
    std::memcpy(head.data<char>() + sizeof(Prefix) + i * sizeof(Row), &row, sizeof row);
    if (i > 0) methods += '\n';
    methods += kMethod;
    pack_args_kwargs(packer);
    packer.pack_nil();
  }
  Frames frames;
  frames.push_back(std::move(head));
  frames.emplace_back(methods.data(), methods.size());
  frames.push_back(to_frame(body));
  return frames;
}

msgpack::object_handle unpack(const zmq::message_t& frame) {
  return msgpack::unpack(frame.data<char>(), frame.size());
}

std::span<const msgpack::object> elements(const msgpack::object_handle& handle) {
  if (handle->type != msgpack::type::ARRAY) throw std::runtime_error("a frame is not an array");
  return {handle->via.array.ptr, handle->via.array.size};
}

// A fast figure for a wrong answer would be worthless, so every reply is checked.
void check(bool good) {
  if (!good) throw std::runtime_error("a reply is not the one that was expected");
}

void check_reply(std::uint64_t id, std::uint64_t expected, std::uint64_t status,
                 const msgpack::object& value) {
  check(id == expected && status == 0 && value.type == msgpack::type::MAP && value.via.map.size == 7);
}

std::uint32_t decode_flat(const Frames& frames, std::uint64_t first_id) {
  check(frames.size() == 1);
  const auto handle = unpack(frames[0]);
  const auto all = elements(handle);
  check(all.size() >= 3 && (all.size() - 3) % 6 == 0);
  auto items = all.subspan(3);
  std::uint32_t count = 0;
  for (; !items.empty(); items = items.subspan(6), ++count) {
    check_reply(items[0].as<std::uint64_t>(), first_id + count, items[2].as<std::uint64_t>(), items[4]);
  }
  return count;
}

std::uint32_t decode_head(const Frames& frames, std::uint64_t first_id) {
  check(frames.size() == 2);
  const auto head = unpack(frames[0]);
  const auto body = unpack(frames[1]);
  const auto values = elements(body);
  const auto all = elements(head);
  check(all.size() == 3 + 6 * values.size());
  const auto rows = all.subspan(3);
  for (std::size_t i = 0; i < values.size(); ++i) {
    check_reply(rows[6 * i].as<std::uint64_t>(), first_id + i, rows[6 * i + 2].as<std::uint64_t>(),
                values[i]);
  }
  return static_cast<std::uint32_t>(values.size());
}

std::uint32_t decode_method(const Frames& frames, std::uint64_t first_id) {
  check(frames.size() == 2 && frames[0].size() >= sizeof(Prefix));
  Prefix prefix;
  std::memcpy(&prefix, frames[0].data(), sizeof prefix);
  const auto body = unpack(frames[1]);
  const auto values = elements(body);
  check(frames[0].size() == sizeof(Prefix) + prefix.count * sizeof(Row));
  check(values.size() == 2 * std::size_t{prefix.count});
  for (std::uint32_t i = 0; i < prefix.count; ++i) {
    Row row;
    std::memcpy(&row, frames[0].data<char>() + sizeof(Prefix) + i * sizeof(Row), sizeof row);
    check_reply(row.id, first_id + i, row.code, values[2 * std::size_t{i}]);
  }
  return prefix.count;
}

struct Layout {
  int number;
  const char* name;
  Frames (*encode)(std::uint64_t first_id, std::uint32_t count);
  std::uint32_t (*decode)(const Frames& frames, std::uint64_t first_id);  // returns the count
};

constexpr std::array kLayouts{
    Layout{1, "1: one frame", encode_flat, decode_flat},
    Layout{2, "2: head, body", encode_head, decode_head},
    Layout{3, "3: head, method, body", encode_method, decode_method},
};

// ------------------------------------------------------------------------------------- transport

bool receive(zmq::socket_t& socket, Frames& frames, zmq::recv_flags flags) {
  frames.clear();
  do {
    zmq::message_t frame;
    if (!socket.recv(frame, flags)) return false;
    frames.push_back(std::move(frame));
  } while (frames.back().more());
  return true;
}

void send(zmq::socket_t& socket, Frames& frames) {
  for (auto& frame : frames) {
    const bool last = &frame == &frames.back();
    socket.send(frame, last ? zmq::send_flags::none : zmq::send_flags::sndmore);
  }
}

// Frames go through untouched, with the routing id exchanged: there is one client and one worker at a time.
// What comes before the other side is known goes back to its sender.
void forward(std::stop_token stop, const std::string& front_endpoint, const std::string& back_endpoint) {
  zmq::context_t context;
  zmq::socket_t front(context, zmq::socket_type::router);
  zmq::socket_t back(context, zmq::socket_type::router);
  for (auto* socket : {&front, &back}) {
    socket->set(zmq::sockopt::sndhwm, 0);
    socket->set(zmq::sockopt::rcvhwm, 0);
    socket->set(zmq::sockopt::linger, 0);
  }
  front.bind(front_endpoint);
  back.bind(back_endpoint);
  zmq::message_t client;
  zmq::message_t worker;
  Frames frames;
  const auto drain = [&frames](zmq::socket_t& from, zmq::message_t& sender, zmq::socket_t& to,
                               zmq::message_t& receiver) {
    for (int i = 0; i < 64 && receive(from, frames, zmq::recv_flags::dontwait); ++i) {
      sender = std::move(frames[0]);
      const bool known = receiver.size() > 0;
      frames[0].copy(known ? receiver : sender);
      send(known ? to : from, frames);
    }
  };
  std::array<zmq::pollitem_t, 2> items{
      {{front.handle(), 0, ZMQ_POLLIN, 0}, {back.handle(), 0, ZMQ_POLLIN, 0}}};
  while (!stop.stop_requested()) {
    zmq::poll(items, std::chrono::milliseconds(100));
    if (items[0].revents != 0) drain(front, client, back, worker);
    if (items[1].revents != 0) drain(back, worker, front, client);
  }
}

double seconds_of(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) throw std::runtime_error("clock_gettime failed");
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Worker {
 public:
  Worker(const std::string& endpoint, int layout, const char* style) {
    std::vector<std::string> words{"/usr/bin/python3", LAYOUTS_WORKER,         "--endpoint", endpoint,
                                   "--layout",         std::to_string(layout), "--style",    style};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (posix_spawn(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) {
      throw std::runtime_error("cannot start the worker");
    }
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }

  double cpu_seconds() const {
    clockid_t clock{};
    if (clock_getcpuclockid(pid_, &clock) != 0) throw std::runtime_error("the worker is gone");
    return seconds_of(clock);
  }

 private:
  pid_t pid_ = 0;
};

// ----------------------------------------------------------------------------------- measurement

struct Load {
  std::uint32_t bundle;
  std::uint32_t outstanding;
};

constexpr std::array kLoads{Load{1, 1}, Load{1, 64}, Load{1, 1000}, Load{128, 128}, Load{128, 1024}};
constexpr std::array kStyles{"tuned", "plain"};

struct Figures {
  std::vector<double> rate;       // calls per second
  std::vector<double> worker_us;  // CPU time per call
  std::vector<double> broker_us;  // CPU time per call of this process: client and forwarder
};

struct Cell {
  const Layout* layout;
  Load load;
  const char* style;
  Figures figures{};
};

class Client {
 public:
  Client(zmq::socket_t& socket, const Layout& layout, Load load)
      : socket_(socket), layout_(layout), load_(load) {}

  void fill() {
    while (sent_ - received_ < load_.outstanding) send_bundle();
  }

  // Answers every reply with a new bundle, so that the number outstanding stays.
  std::uint64_t run_for(Seconds duration) {
    const auto start = received_;
    const auto end = Clock::now() + duration;
    while (Clock::now() < end) {
      receive_bundle();
      send_bundle();
    }
    return received_ - start;
  }

  void finish() {
    while (received_ < sent_) receive_bundle();
  }

 private:
  void send_bundle() {
    auto frames = layout_.encode(kFirstId + sent_, load_.bundle);
    send(socket_, frames);
    sent_ += load_.bundle;
  }

  void receive_bundle() {
    if (!receive(socket_, frames_, zmq::recv_flags::none)) throw std::runtime_error("no reply in time");
    check(layout_.decode(frames_, kFirstId + received_) == load_.bundle);
    received_ += load_.bundle;
  }

  static constexpr std::uint64_t kFirstId = 1'000'000;  // ids of one width throughout
  zmq::socket_t& socket_;
  const Layout& layout_;
  Load load_;
  Frames frames_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

void measure(Cell& cell, zmq::socket_t& socket, const std::string& back_endpoint, Seconds duration) {
  const Worker worker(back_endpoint, cell.layout->number, cell.style);
  Frames greeting;
  if (!receive(socket, greeting, zmq::recv_flags::none))
    throw std::runtime_error("the worker does not start");

  Client client(socket, *cell.layout, cell.load);
  client.fill();
  client.run_for(duration / 5);

  const double worker_before = worker.cpu_seconds();
  const double own_before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  const auto start = Clock::now();
  const auto calls = static_cast<double>(client.run_for(duration));
  const double passed = Seconds(Clock::now() - start).count();
  const double own = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - own_before;
  const double worker_cpu = worker.cpu_seconds() - worker_before;
  client.finish();

  cell.figures.rate.push_back(calls / passed);
  cell.figures.worker_us.push_back(1e6 * worker_cpu / calls);
  cell.figures.broker_us.push_back(1e6 * own / calls);
}

// What layout 1 costs a broker that need not look into bodies otherwise: to step over one message's msgpack.
double parse_us_per_call(const Frames& frames, std::uint32_t count, Seconds duration) {
  struct Skip : msgpack::null_visitor {
    void parse_error(std::size_t, std::size_t) { throw std::runtime_error("not msgpack"); }
    void insufficient_bytes(std::size_t, std::size_t) { throw std::runtime_error("not msgpack"); }
  };
  std::uint64_t calls = 0;
  const auto start = Clock::now();
  while (Clock::now() - start < duration) {
    Skip skip;
    if (!msgpack::parse(frames[0].data<char>(), frames[0].size(), skip))
      throw std::runtime_error("not msgpack");
    calls += count;
  }
  return 1e6 * Seconds(Clock::now() - start).count() / static_cast<double>(calls);
}

// ---------------------------------------------------------------------------------------- report

std::string summary(std::vector<double> values, double scale, int digits) {
  std::ranges::sort(values);
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%.*f (%.*f-%.*f)", digits, scale * values[values.size() / 2],
                digits, scale * values.front(), digits, scale * values.back());
  return text.data();
}

void report(const std::vector<Cell>& cells, int repeats, double seconds) {
  std::printf(
      "| bundle | outstanding | layout | recv, send | 1,000 calls/s | worker, us/call |"
      " client + forwarder, us/call |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  for (const auto& cell : cells) {
    std::printf("| %u | %u | %s | %s | %s | %s | %s |\n", cell.load.bundle, cell.load.outstanding,
                cell.layout->name, cell.style, summary(cell.figures.rate, 1e-3, 1).c_str(),
                summary(cell.figures.worker_us, 1, 1).c_str(), summary(cell.figures.broker_us, 1, 1).c_str());
  }
  std::printf("\nMedian (min-max) of %d x %g s, interleaved; us/call is CPU time.\n", repeats, seconds);
}

void report_parsing(int repeats) {
  std::printf("\nStepping over the first frame of a request in C++, us/call:");
  for (const std::uint32_t count : {1U, 128U}) {
    for (const auto& layout : {kLayouts[0], kLayouts[1]}) {
      const auto frames = layout.encode(1'000'000, count);
      std::vector<double> figures;
      for (int i = 0; i < repeats; ++i) figures.push_back(parse_us_per_call(frames, count, Seconds(0.1)));
      std::printf(" layout %d, bundle of %u: %s;", layout.number, count, summary(figures, 1, 3).c_str());
    }
  }
  std::printf("\n");
}

struct Directory {
  Directory() {
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make a directory in /tmp");
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }

  std::string path = "/tmp/bench-layouts-XXXXXX";
};

int run(int repeats, double seconds) {
  const Directory directory;
  const std::string front = "ipc://" + directory.path + "/front";
  const std::string back = "ipc://" + directory.path + "/back";

  std::vector<Cell> cells;
  for (const auto& load : kLoads) {
    for (const char* style : kStyles) {
      for (const auto& layout : kLayouts) cells.push_back({&layout, load, style});
    }
  }
  {
    std::jthread forwarder([&](std::stop_token stop) {
      try {
        forward(std::move(stop), front, back);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_layouts: forwarder: %s\n", error.what());
        std::quick_exit(1);
      }
    });
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::dealer);
    socket.set(zmq::sockopt::sndhwm, 0);
    socket.set(zmq::sockopt::rcvhwm, 0);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::rcvtimeo, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
    socket.connect(front);
    socket.send(zmq::message_t(), zmq::send_flags::none);  // tells the forwarder the routing id; comes back
    Frames greeting;
    if (!receive(socket, greeting, zmq::recv_flags::none)) throw std::runtime_error("no forwarder");

    std::vector<Cell*> order;
    for (auto& cell : cells) order.push_back(&cell);
    std::mt19937 random(1);
    for (int i = 0; i < repeats; ++i) {
      std::ranges::shuffle(order, random);
      for (auto* cell : order) measure(*cell, socket, back, Seconds(seconds));
      std::fprintf(stderr, "repeat %d of %d\n", i + 1, repeats);
    }
  }
  report(cells, repeats, seconds);
  report_parsing(repeats);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int repeats = argc > 1 ? std::stoi(argv[1]) : 5;
    const double seconds = argc > 2 ? std::stod(argv[2]) : 1.0;
    if (argc > 3 || repeats < 1 || seconds <= 0)
      throw std::invalid_argument("usage: bench_layouts [repeats [seconds]]");
    return run(repeats, seconds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_layouts: %s\n", error.what());
    return 1;
  }
}
