#include "tools/load/tally.hpp"

#include <algorithm>
#include <utility>

namespace samovar::load {
namespace {

Json to_json(const Distribution& distribution) {
  Json buckets = Json::array();
  for (const auto& bucket : distribution.buckets()) {
    buckets.push_back(bucket.index);
    buckets.push_back(bucket.count);
  }
  return {distribution.min(), distribution.max(), distribution.sum(), std::move(buckets)};
}

Distribution to_distribution(const Json& json) {
  std::vector<Bucket> buckets;
  const Json& flat = json.at(3);
  for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
    buckets.push_back({flat[i].get<std::uint32_t>(), flat[i + 1].get<std::uint64_t>()});
  }
  return {std::move(buckets), json.at(0).get<std::int64_t>(), json.at(1).get<std::int64_t>(),
          json.at(2).get<double>()};
}

void merge_into(Slice& slice, const Slice& other) {
  slice.ok += other.ok;
  slice.failed += other.failed;
  slice.latency.merge(other.latency);
}

}  // namespace

Slice& Timeline::at(std::size_t index) {
  if (slices_.size() <= index) slices_.resize(index + 1);
  return slices_[index];
}

void Timeline::add(Nanoseconds since_start, Slice slice) {
  since_start = std::max(since_start, Nanoseconds(0));
  while (static_cast<std::size_t>(since_start / length_) >= kMost) halve();
  merge_into(at(static_cast<std::size_t>(since_start / length_)), slice);
}

void Timeline::halve() {
  length_ *= 2;
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    if (i % 2 == 1) {
      merge_into(slices_[i / 2], slices_[i]);
    } else if (i > 0) {
      slices_[i / 2] = std::move(slices_[i]);
    }
  }
  slices_.resize((slices_.size() + 1) / 2);
}

void Timeline::merge(const Timeline& other) {
  Timeline coarser = other;
  while (coarser.length_ < length_) coarser.halve();
  while (length_ < coarser.length_) halve();
  for (std::size_t i = 0; i < coarser.slices_.size(); ++i) merge_into(at(i), coarser.slices_[i]);
}

Json Timeline::to_json() const {
  Json slices = Json::array();
  for (const auto& slice : slices_) {
    slices.push_back({slice.ok, slice.failed, load::to_json(slice.latency)});
  }
  return {length_.count(), std::move(slices)};
}

Timeline Timeline::from_json(const Json& json) {
  Timeline timeline;
  timeline.length_ = Nanoseconds(json.at(0).get<std::int64_t>());
  for (const auto& slice : json.at(1)) {
    timeline.slices_.push_back({slice.at(0), slice.at(1), to_distribution(slice.at(2))});
  }
  return timeline;
}

double Tally::failed_share() const {
  const auto ended = ok + failed;
  return ended == 0 ? 0 : static_cast<double>(failed) / static_cast<double>(ended);
}

void Tally::merge(const Tally& other) {
  ok += other.ok;
  failed += other.failed;
  abandoned += other.abandoned;
  ok_in_window += other.ok_in_window;
  for (const auto& [code, theirs] : other.failures) {
    auto& ours = failures[code];
    if (ours.count == 0) ours.message = theirs.message;
    ours.count += theirs.count;
    ours.latency.merge(theirs.latency);
  }
  latency.merge(other.latency);
  queued.merge(other.queued);
  running.merge(other.running);
  lateness.merge(other.lateness);
  timeline.merge(other.timeline);
  window_s = std::max(window_s, other.window_s);
  busiest_thread = std::max(busiest_thread, other.busiest_thread);
  busiest_process = std::max(busiest_process, other.busiest_process);
}

Json Tally::to_json() const {
  Json codes = Json::object();
  for (const auto& [code, each] : failures) {
    codes[code] = {each.count, each.message, load::to_json(each.latency)};
  }
  return {{"ok", ok},
          {"failed", failed},
          {"abandoned", abandoned},
          {"ok_in_window", ok_in_window},
          {"failures", std::move(codes)},
          {"latency", load::to_json(latency)},
          {"queued", load::to_json(queued)},
          {"running", load::to_json(running)},
          {"lateness", load::to_json(lateness)},
          {"timeline", timeline.to_json()},
          {"window_s", window_s},
          {"busiest_thread", busiest_thread},
          {"busiest_process", busiest_process}};
}

Tally Tally::from_json(const Json& json) {
  Tally tally;
  tally.ok = json.at("ok");
  tally.failed = json.at("failed");
  tally.abandoned = json.at("abandoned");
  tally.ok_in_window = json.at("ok_in_window");
  for (const auto& [code, each] : json.at("failures").items()) {
    tally.failures[code] = {each.at(0), each.at(1), to_distribution(each.at(2))};
  }
  tally.latency = to_distribution(json.at("latency"));
  tally.queued = to_distribution(json.at("queued"));
  tally.running = to_distribution(json.at("running"));
  tally.lateness = to_distribution(json.at("lateness"));
  tally.timeline = Timeline::from_json(json.at("timeline"));
  tally.window_s = json.at("window_s");
  tally.busiest_thread = json.at("busiest_thread");
  tally.busiest_process = json.at("busiest_process");
  return tally;
}

}  // namespace samovar::load
