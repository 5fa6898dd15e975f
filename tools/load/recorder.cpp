#include "tools/load/recorder.hpp"

namespace samovar::load {

void Recorder::failed(const Error& error, TimePoint intended, TimePoint now) {
  if (now >= slice_end_) close_slice(now);
  const auto code = static_cast<std::size_t>(error.code());
  if (failures_[code].count++ == 0) {
    failures_[code].message = error.message();
    failed_latency_[code] = std::make_unique<Histogram>();
  }
  failed_latency_[code]->record(now - intended);
  ++slice_.failed;
  last_ = now;
}

void Recorder::sampled(const Metadata& metadata) {
  if (metadata.queued) queued_.record(*metadata.queued);
  running_.record(metadata.running);
}

void Recorder::close_slice(TimePoint now) {
  slice_.latency = latency_.take();
  // In the middle of the slice, which no rounding can move to the next one.
  timeline_.add(slice_end_ - start_ - Timeline::kFinest / 2, std::move(slice_));
  slice_ = {};
  const auto whole = (now - start_) / Timeline::kFinest;
  slice_end_ = start_ + (whole + 1) * Timeline::kFinest;
}

Tally Recorder::take() {
  close_slice(last_);
  Tally tally;
  for (const auto& slice : timeline_.slices()) {
    tally.ok += slice.ok;
    tally.failed += slice.failed;
    tally.latency.merge(slice.latency);
  }
  tally.ok_in_window = ok_in_window_;
  for (std::size_t code = 0; code < failures_.size(); ++code) {
    if (failures_[code].count > 0) {
      failures_[code].latency = failed_latency_[code]->take();
      tally.failures.emplace(to_word(static_cast<Status>(code)), std::move(failures_[code]));
    }
  }
  tally.queued = queued_.take();
  tally.running = running_.take();
  tally.timeline = std::move(timeline_);
  tally.window_s = std::chrono::duration<double>(last_ - start_).count();
  return tally;
}

}  // namespace samovar::load
