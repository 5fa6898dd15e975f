#include "broker/core/outbox.hpp"

#include <utility>

#include "proto/limits.hpp"

namespace samovar::broker {
namespace {

// A bundle takes no further item beyond these: half of what a worker may hold, so that it works on one half while the
// other is answered and replaced; and no message exceeds max_body because small ones were put together.
constexpr std::uint32_t kBundleItems = limits::kMaxCredit / 2;
constexpr std::size_t kBundleBytes = 256 * 1024;

}  // namespace

Outbox::Draft& Outbox::open_bundle(Side side, PeerId peer, proto::Kind kind, Epoch epoch, TimePoint now,
                                   std::size_t bytes) {
  if (Draft* draft = open_.find(raw(peer))) {
    const std::size_t size = draft->bundle->bytes() + draft->attached + bytes;
    if (draft->kind == kind && draft->bundle->items() < kBundleItems && size <= kBundleBytes) return *draft;
    open_.erase(raw(peer));
  }
  Draft& draft = drafts_.emplace_back(Draft{side, peer, kind, std::nullopt, {}, {}, 0, false, {}});
  draft.bundle.emplace(kind, raw(epoch), to_us(now.time_since_epoch()));
  open_.insert(raw(peer), draft);
  return draft;
}

void Outbox::attach(Draft& draft, const Frames& attachments) {
  draft.attachments.insert(draft.attachments.end(), attachments.begin(), attachments.end());
  draft.attached += bytes_of(attachments);
}

void Outbox::request(PeerId worker, Epoch epoch, TimePoint now, const proto::RequestItem& item,
                     const Frames& attachments) {
  const auto tail = item.tail();
  const std::size_t bytes = tail.size() + bytes_of(attachments);
  Draft& draft = open_bundle(Side::backend, worker, proto::Kind::request, epoch, now, bytes);
  draft.bundle->add_request(item.id, item.attempt, item.flags, item.timeout_us, item.method, tail);
  attach(draft, attachments);
}

void Outbox::reply(PeerId client, Epoch epoch, const proto::ReplyItem& item, const Frames& attachments) {
  const auto tail = item.tail();
  const std::size_t bytes = tail.size() + bytes_of(attachments);
  Draft& draft = open_bundle(Side::frontend, client, proto::Kind::reply, epoch, TimePoint{}, bytes);
  draft.bundle->add_reply(item.id, item.attempt, item.status, item.run_us, tail);
  attach(draft, attachments);
}

void Outbox::item(PeerId client, Epoch epoch, const proto::StreamItem& item, const Frames& attachments) {
  const auto tail = item.tail();
  const std::size_t bytes = tail.size() + bytes_of(attachments);
  Draft& draft = open_bundle(Side::frontend, client, proto::Kind::items, epoch, TimePoint{}, bytes);
  draft.bundle->add_item(item.id, item.attempt, item.seq, tail);
  if (draft.streams.empty() || draft.streams.back() != item.id) draft.streams.push_back(item.id);
  attach(draft, attachments);
}

void Outbox::control(Side side, PeerId peer, std::string frame) {
  if (open_.find(raw(peer))) open_.erase(raw(peer));
  drafts_.push_back(Draft{side, peer, {}, std::nullopt, std::move(frame), {}, 0, false, {}});
}

void Outbox::complaint(Side side, PeerId peer, std::string frame) {
  control(side, peer, std::move(frame));
  drafts_.back().is_complaint = true;
}

void Outbox::note(Note::Level level, std::string topic, std::string text) {
  notes_.push_back(Note{level, std::move(topic), std::move(text)});
}

std::vector<Message> Outbox::take_messages() {
  std::vector<Message> messages;
  messages.reserve(drafts_.size());
  for (Draft& draft : drafts_) {
    std::uint32_t replies = 0;
    if (draft.bundle) {
      if (draft.kind == proto::Kind::reply) replies = draft.bundle->items();
      if (open_.find(raw(draft.peer)) == &draft) open_.erase(raw(draft.peer));
      draft.frame = std::move(*draft.bundle).finish();
    }
    messages.push_back(Message{draft.side, draft.peer, std::move(draft.frame), std::move(draft.attachments),
                               replies, std::move(draft.streams), draft.is_complaint});
  }
  drafts_.clear();
  return messages;
}

std::vector<Note> Outbox::take_notes() {
  return std::exchange(notes_, {});
}

}  // namespace samovar::broker
