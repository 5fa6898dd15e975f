// A resident process that answers a line of JSON with a line of JSON, in order; it is this program's own child.
#include "examples/demo/stdio.hpp"
#include "tests/bench/drive/transport.hpp"

namespace samovar::bench {

namespace {

class Stdio final : public Transport {
 public:
  explicit Stdio(const TransportOptions& options) : child_(options.command) {
    for (std::size_t i = 0; i < kAddresses; ++i) lines_.push_back("{\"ip\": \"" + address(i) + "\"}\n");
    child_.write(lines_[0]);
    if (!child_.read_line(line_, 10'000)) throw std::runtime_error("no answer within 10 s");
  }

  // Answers come in order, so the slots do too.
  void run(Calls& calls, Payload& payload) override {
    for (std::size_t slot = 0; slot < calls.outstanding(); ++slot) {
      calls.begin(slot);
      child_.write(next_line());
    }
    for (std::size_t slot = 0; !calls.over(); slot = (slot + 1) % calls.outstanding()) {
      child_.read_line(line_);
      payload.check(line_);
      if (!calls.end(slot)) continue;
      calls.begin_again(slot);
      child_.write(next_line());
    }
  }

  std::vector<Watched> children() const override { return {{"worker", child_.pid()}}; }

 private:
  const std::string& next_line() { return lines_[next_++ % lines_.size()]; }

  Child child_;
  std::vector<std::string> lines_;
  std::size_t next_ = 0;
  std::string line_;
};

}  // namespace

std::unique_ptr<Transport> make_stdio(const TransportOptions& options) {
  return std::make_unique<Stdio>(options);
}

}  // namespace samovar::bench
