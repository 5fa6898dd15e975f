#include "broker/core/deaths.hpp"

#include <algorithm>

#include "broker/core/pack.hpp"
#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

// Cut between two characters.
void keep_end(std::string& text) {
  if (text.size() <= limits::kMaxErrorText) return;
  std::size_t begin = text.size() - limits::kMaxErrorText;
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) ++begin;
  text.erase(0, begin);
}

}  // namespace

void Deaths::add(Death death) {
  keep_end(death.reason);
  keep_end(death.stderr_lines);
  keep_end(death.stack);
  if (death.running.size() > limits::kMaxCredit) death.running.resize(limits::kMaxCredit);
  deaths_.push_front(std::move(death));
  if (deaths_.size() > limits::kMaxDeaths) deaths_.pop_back();
}

std::string Deaths::pack(std::string_view service) const {
  const auto wanted = [&](const Death& death) { return service.empty() || death.service == service; };
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  packer.pack_array(static_cast<std::uint32_t>(std::count_if(deaths_.begin(), deaths_.end(), wanted)));
  for (const Death& death : deaths_) {
    if (!wanted(death)) continue;
    packer.pack_map(12);
    entry(packer, "when", static_cast<double>(death.when_us) / 1e6);
    entry(packer, "service", death.service);
    entry(packer, "worker", death.worker);
    entry(packer, "pid", death.pid);
    entry(packer, "generation", death.generation);
    entry(packer, "reason", death.reason);
    entry(packer, "signal", death.signal);
    entry(packer, "exit_code", death.exit_code);
    entry(packer, "out_of_memory", death.out_of_memory);
    entry(packer, "stderr", death.stderr_lines);
    entry(packer, "stack", death.stack);
    entry(packer, "running", death.running);
  }
  return {buffer.data(), buffer.size()};
}

}  // namespace samovar::broker
