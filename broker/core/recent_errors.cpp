#include "broker/core/recent_errors.hpp"

#include <algorithm>
#include <vector>

#include "broker/core/pack.hpp"

namespace samovar::broker {
namespace {

// Of a name that is no "service.method", as much as is shown of it.
constexpr std::size_t kMaxName = limits::kMaxNameBytes;

std::string_view service_of(std::string_view method) {
  return method.substr(0, method.rfind('.'));
}

// Cut between two characters.
void keep_begin(std::string& text, std::size_t most) {
  if (text.size() <= most) return;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  text.resize(most);
}

}  // namespace

// That of this kind, or the one that has been quiet for longest, begun anew.
RecentErrors::Entry& RecentErrors::find(std::string_view method, Status status) {
  if (!entries_) entries_ = std::make_unique<std::array<Entry, limits::kMaxRecentErrors>>();
  method = method.substr(0, kMaxName);
  const auto is_it = [&](const Entry& entry) { return entry.status == status && entry.method == method; };
  if (Entry& last = (*entries_)[last_]; is_it(last)) return last;
  auto at = std::find_if(entries_->begin(), entries_->end(), is_it);
  if (at == entries_->end()) {
    at = std::min_element(entries_->begin(), entries_->end(),
                          [](const Entry& a, const Entry& b) { return a.wall_us < b.wall_us; });
    *at = Entry{};
    at->method = method;
    at->status = status;
  }
  last_ = static_cast<std::size_t>(at - entries_->begin());
  return *at;
}

void RecentErrors::set_message(Entry& entry, std::string message) {
  keep_begin(message, limits::kMaxErrorText);
  entry.message = std::move(message);
}

std::string RecentErrors::pack(std::string_view service) const {
  std::vector<const Entry*> shown;
  for (std::size_t i = 0; entries_ && i < entries_->size(); ++i) {
    const Entry& entry = (*entries_)[i];
    if (entry.count > 0 && (service.empty() || service_of(entry.method) == service)) shown.push_back(&entry);
  }
  std::sort(shown.begin(), shown.end(),
            [](const Entry* a, const Entry* b) { return a->wall_us > b->wall_us; });
  msgpack::sbuffer buffer;
  Packer packer(buffer);
  packer.pack_array(static_cast<std::uint32_t>(shown.size()));
  for (const Entry* each : shown) {
    packer.pack_map(5);
    entry(packer, "when", static_cast<double>(each->wall_us) / 1e6);
    entry(packer, "method", each->method);
    entry(packer, "code", to_word(each->status));
    entry(packer, "count", each->count);
    entry(packer, "message", each->message);
  }
  return {buffer.data(), buffer.size()};
}

}  // namespace samovar::broker
