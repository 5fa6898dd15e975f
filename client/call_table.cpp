#include "client/call_table.hpp"

#include <cassert>
#include <utility>

namespace samovar::client {
namespace {

// An id has 53 bits on the wire: 22 for the slot, 31 for the generation.
constexpr int kSlotBits = 22;
constexpr std::uint64_t kSlotMask = (std::uint64_t{1} << kSlotBits) - 1;
constexpr std::uint32_t kGenerationMask = 0x7fff'ffff;

}  // namespace

CallTable::Slot CallTable::add(CallPtr call) {
  Slot slot;
  if (free_.empty()) {
    slot = static_cast<Slot>(entries_.size());
    assert(slot <= kSlotMask);
    entries_.emplace_back().generation = first_generation_ & kGenerationMask;
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[slot];
  entry.generation = (entry.generation + 1) & kGenerationMask;
  if (entry.generation == 0) entry.generation = 1;
  call->id = CallId{std::uint64_t{entry.generation} << kSlotBits | slot};
  entry.due = call->deadline;
  entry.call = std::move(call);
  entry.state = CallState::waiting;
  entry.attempts = 0;
  entry.tries = 1;
  entry.is_hedge = entry.hedges = entry.overdue = false;
  entry.lost = Status::ok;
  entry.tried = 0;
  entry.twin = kNone;
  push_back(waiting_, slot);
  schedule(slot);
  return slot;
}

CallPtr CallTable::remove(Slot slot) {
  Entry& entry = entries_[slot];
  assert(entry.state != CallState::free);
  unlink(list_of(entry), slot);
  unschedule(slot);
  entry.state = CallState::free;
  free_.push_back(slot);
  return std::move(entry.call);
}

CallTable::Slot CallTable::find(CallId id) const {
  const auto number = static_cast<std::uint64_t>(id);
  const auto slot = number & kSlotMask;
  if (slot >= entries_.size()) return kNone;
  const Entry& entry = entries_[slot];
  if (entry.state == CallState::free || entry.generation != number >> kSlotBits) return kNone;
  return static_cast<Slot>(slot);
}

void CallTable::mark_sent(Slot slot, LinkId link) {
  assert(entries_[slot].state == CallState::waiting);
  unlink(waiting_, slot);
  entries_[slot].state = CallState::sent;
  entries_[slot].link = link;
  push_back(sent_[index_of(link)], slot);
}

void CallTable::mark_waiting(Slot slot) {
  unlink(list_of(entries_[slot]), slot);
  entries_[slot].state = CallState::waiting;
  push_front(waiting_, slot);
}

void CallTable::mark_waiting_last(Slot slot) {
  unlink(list_of(entries_[slot]), slot);
  entries_[slot].state = CallState::waiting;
  push_back(waiting_, slot);
}

void CallTable::mark_resting(Slot slot) {
  unlink(list_of(entries_[slot]), slot);
  entries_[slot].state = CallState::resting;
  push_back(resting_, slot);
}

CallTable::List& CallTable::list_of(const Entry& entry) {
  assert(entry.state != CallState::free);
  if (entry.state == CallState::waiting) return waiting_;
  return entry.state == CallState::sent ? sent_[index_of(entry.link)] : resting_;
}

void CallTable::set_due(Slot slot, TimePoint due) {
  unschedule(slot);
  entries_[slot].due = due;
  schedule(slot);
}

void CallTable::set_aside(Slot slot) {
  unschedule(slot);
  entries_[slot].heap_index = kAside;
}

void CallTable::schedule(Slot slot) {
  const auto due = entries_[slot].due;
  const auto too_late = [&] { return punctual_.tail != kNone && due < entries_[punctual_.tail].due; };
  if (too_late()) {
    // One call with a long timeout must not keep all that come after it out of the list.
    const Slot tail = punctual_.tail;
    unlink(punctual_, tail);
    push_heap(tail);
  }
  if (too_late()) return push_heap(slot);
  entries_[slot].heap_index = kPunctual;
  push_back(punctual_, slot);
}

void CallTable::unschedule(Slot slot) {
  const auto index = entries_[slot].heap_index;
  if (index == kPunctual) return unlink(punctual_, slot);
  if (index == kAside) return;
  const Slot last = heap_.back();
  heap_.pop_back();
  if (last == slot) return;
  place(index, last);
  sift_up(index);
  sift_down(entries_[last].heap_index);
}

void CallTable::push_heap(Slot slot) {
  heap_.push_back(slot);
  entries_[slot].heap_index = static_cast<std::uint32_t>(heap_.size() - 1);
  sift_up(entries_[slot].heap_index);
}

void CallTable::push_back(List& list, Slot slot) {
  entries_[slot].*list.links = {list.tail, kNone};
  (list.tail == kNone ? list.head : (entries_[list.tail].*list.links).next) = slot;
  list.tail = slot;
  ++list.size;
}

void CallTable::push_front(List& list, Slot slot) {
  entries_[slot].*list.links = {kNone, list.head};
  (list.head == kNone ? list.tail : (entries_[list.head].*list.links).previous) = slot;
  list.head = slot;
  ++list.size;
}

void CallTable::unlink(List& list, Slot slot) {
  const auto links = entries_[slot].*list.links;
  (links.previous == kNone ? list.head : (entries_[links.previous].*list.links).next) = links.next;
  (links.next == kNone ? list.tail : (entries_[links.next].*list.links).previous) = links.previous;
  --list.size;
}

void CallTable::place(std::uint32_t index, Slot slot) {
  heap_[index] = slot;
  entries_[slot].heap_index = index;
}

void CallTable::sift_up(std::uint32_t index) {
  const Slot slot = heap_[index];
  const TimePoint due = entries_[slot].due;
  while (index > 0) {
    const std::uint32_t parent = (index - 1) / 2;
    if (entries_[heap_[parent]].due <= due) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, slot);
}

void CallTable::sift_down(std::uint32_t index) {
  const Slot slot = heap_[index];
  const TimePoint due = entries_[slot].due;
  const auto size = static_cast<std::uint32_t>(heap_.size());
  for (;;) {
    std::uint32_t child = 2 * index + 1;
    if (child >= size) break;
    if (child + 1 < size && entries_[heap_[child + 1]].due < entries_[heap_[child]].due) ++child;
    if (due <= entries_[heap_[child]].due) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, slot);
}

}  // namespace samovar::client
