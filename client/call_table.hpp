// The calls that are outstanding: found by id, listed by what becomes of them, ordered by when they are due. Nothing takes
// longer with more of them, as long as most have the same timeout.
// Ids are a slot's number and its generation, so that an id is never met twice while a late reply could name it.
// No entry costs an allocation of its own once the table has grown. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "client/call.hpp"

namespace samovar::client {

enum class CallState : std::uint8_t {
  free,     // the slot holds no call
  waiting,  // to be sent, for the first time or again
  sent,     // handed to the transport under the present epoch of a link
  resting,  // an attempt has failed: until the time of the next, or while a second one is under way
};

class CallTable {
 public:
  using Slot = std::uint32_t;
  static constexpr Slot kNone = 0xffff'ffff;

  struct Entry {
    CallPtr call;
    CallState state = CallState::free;
    std::uint8_t attempts =
        0;  // how often it has been sent; not below the last attempt of the broker's that failed
    std::uint8_t tries = 1;   // of its Tries
    bool is_hedge = false;    // the second one of a call; its caller does not know of it
    bool hedges = false;      // `due` is when to send a second one
    LinkId link{};            // where it was sent, last
    std::uint64_t tried = 0;  // bit by bit: the links that cannot serve it
    TimePoint sent_at{};
    Slot twin = kNone;         // of a call that has a second one, and of that
    TimePoint due_later{};     // where it hedges: its due after that
    Status lost = Status::ok;  // how an attempt ended that may have run: worker_lost or broker_lost
    bool overdue = false;      // sent, and its deadline has passed: the broker has a little time to say so
    TimePoint due{};

   private:
    friend class CallTable;
    struct Links {
      Slot previous = kNone;
      Slot next = kNone;
    };
    std::uint32_t generation = 0;
    std::uint32_t heap_index = 0;  // or kPunctual, or kAside
    Links by_state;
    Links by_due;
  };

  // The first generation is a seed: two sessions, or two runs, should not use the same ids.
  explicit CallTable(std::uint32_t first_generation) : first_generation_(first_generation) {}

  // Takes a call in, as the last that waits, due at its deadline, and sets its id.
  Slot add(CallPtr call);
  CallPtr remove(Slot slot);

  // The slot of a call that is outstanding, or kNone.
  Slot find(CallId id) const;

  Entry& operator[](Slot slot) { return entries_[slot]; }
  const Entry& operator[](Slot slot) const { return entries_[slot]; }

  // Move a call to the end of those sent to a link, back to the front of those that wait, to their end, or to those that rest.
  void mark_sent(Slot slot, LinkId link);
  void mark_waiting(Slot slot);
  void mark_waiting_last(Slot slot);
  void mark_resting(Slot slot);

  Slot first_waiting() const { return waiting_.head; }
  Slot last_sent(LinkId link) const { return sent_[index_of(link)].tail; }
  Slot first_sent(LinkId link) const { return sent_[index_of(link)].head; }
  Slot first_resting() const { return resting_.head; }
  Slot next(Slot slot) const { return entries_[slot].by_state.next; }

  void set_due(Slot slot, TimePoint due);
  // Takes the call out of the order of what is due, until set_due(); keeps its `due`.
  void set_aside(Slot slot);
  // The call that is due first, or kNone.
  Slot first_due() const {
    const Slot first = punctual_.head;
    if (heap_.empty()) return first;
    return first != kNone && entries_[first].due <= entries_[heap_.front()].due ? first : heap_.front();
  }

  std::size_t size() const { return entries_.size() - free_.size(); }
  std::size_t waiting() const { return waiting_.size; }
  std::size_t sent(LinkId link) const { return sent_[index_of(link)].size; }

  // Before anything is sent to such a link.
  void make_room_for(LinkId link) {
    if (sent_.size() <= index_of(link)) sent_.resize(index_of(link) + 1, List{&Entry::by_state});
  }

 private:
  struct List {
    Entry::Links Entry::*links;
    Slot head = kNone;
    Slot tail = kNone;
    std::size_t size = 0;
  };
  static constexpr std::uint32_t kPunctual = 0xffff'ffff;
  static constexpr std::uint32_t kAside = 0xffff'fffe;

  void push_back(List& list, Slot slot);
  void push_front(List& list, Slot slot);
  void unlink(List& list, Slot slot);
  List& list_of(const Entry& entry);

  void schedule(Slot slot);
  void unschedule(Slot slot);
  void push_heap(Slot slot);
  void place(std::uint32_t index, Slot slot);
  void sift_up(std::uint32_t index);
  void sift_down(std::uint32_t index);

  std::uint32_t first_generation_;
  std::vector<Entry> entries_;
  std::vector<Slot> free_;
  List waiting_{&Entry::by_state};
  std::vector<List> sent_;  // by link
  List resting_{&Entry::by_state};
  // By Entry::due: those that came in that order are in a list, the others in a binary heap.
  List punctual_{&Entry::by_due};
  std::vector<Slot> heap_;
};

}  // namespace samovar::client
