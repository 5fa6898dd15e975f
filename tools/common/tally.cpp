#include "tools/common/tally.hpp"

#include <algorithm>
#include <numeric>

namespace samovar::tools {
namespace {

void add(Counts& counts, const Counts& more) {
  if (counts.size() < more.size()) counts.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) counts[i] += more[i];
}

Counts difference(const Counts& now, const Counts& before) {
  Counts found = now;
  for (std::size_t i = 0; i < found.size() && i < before.size(); ++i)
    found[i] -= std::min(found[i], before[i]);
  return found;
}

Counts counts_of(const Json& method, const char* key) {
  const auto histogram = method.find(key);
  if (histogram == method.end() || !histogram->is_object()) return {};
  return histogram->value("counts", Counts());
}

Json list_at(const Json& map, const char* key) {
  const auto at = map.find(key);
  return at != map.end() && at->is_array() ? *at : Json::array();
}

std::map<std::string, std::uint64_t> outcomes_at(const Json& map) {
  std::map<std::string, std::uint64_t> found;
  if (!map.contains("outcomes")) return found;
  for (const auto& [code, count] : map["outcomes"].items()) {
    if (count.is_number_unsigned() && count != 0) found[code] = count.get<std::uint64_t>();
  }
  return found;
}

}  // namespace

Tally Tally::of_method(const Json& method) {
  return {outcomes_at(method), counts_of(method, "queued"), counts_of(method, "run")};
}

Tally Tally::of_service(const Json& service) {
  Tally sum;
  for (const auto& method : list_at(service, "methods")) sum += of_method(method);
  return sum;
}

Tally Tally::of_status(const Json& status) {
  Tally sum;
  for (const auto& service : list_at(status, "services")) sum += of_service(service);
  for (const auto& [code, count] : outcomes_at(status)) {
    auto& own = sum.outcomes[code];
    if (code != "ok") own = std::max(own, count);
  }
  return sum;
}

Tally& Tally::operator+=(const Tally& other) {
  for (const auto& [code, count] : other.outcomes) outcomes[code] += count;
  add(queued, other.queued);
  add(run, other.run);
  return *this;
}

Tally Tally::since(const Tally& before) const {
  const auto count_in = [](const Tally& tally, const std::string& code) {
    const auto at = tally.outcomes.find(code);
    return at == tally.outcomes.end() ? 0 : at->second;
  };
  const bool is_anew = std::any_of(before.outcomes.begin(), before.outcomes.end(), [&](const auto& counted) {
    return counted.second > count_in(*this, counted.first);
  });
  if (is_anew) return *this;
  Tally found;
  for (const auto& [code, count] : outcomes) {
    if (const auto more = count - count_in(before, code); more > 0) found.outcomes[code] = more;
  }
  found.queued = difference(queued, before.queued);
  found.run = difference(run, before.run);
  return found;
}

std::uint64_t Tally::ok() const {
  const auto at = outcomes.find("ok");
  return at == outcomes.end() ? 0 : at->second;
}

std::uint64_t Tally::failed() const {
  std::uint64_t sum = 0;
  for (const auto& [code, count] : outcomes) sum += code == "ok" ? 0 : count;
  return sum;
}

std::optional<double> quantile_us(const Counts& counts, const Json& bounds_us, double share) {
  const auto total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (total == 0 || !bounds_us.is_array() || bounds_us.empty()) return std::nullopt;
  const double wanted = share * static_cast<double>(total);
  double below = 0;
  for (std::size_t i = 0; i < counts.size() && i < bounds_us.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= wanted) {
      const double from = i == 0 ? 0 : bounds_us[i - 1].get<double>();
      return from + (bounds_us[i].get<double>() - from) * (wanted - below) / here;
    }
    below += here;
  }
  return bounds_us.back().get<double>();
}

std::uint64_t count_of(const Json& map, const char* key) {
  const auto at = map.find(key);
  return at != map.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : 0;
}

}  // namespace samovar::tools
