// A doubly linked list through members of its elements: no allocation, removal in O(1). It does not own them.
// An element is on at most one list per Link member.
#pragma once

#include <cassert>
#include <cstddef>

namespace samovar::broker {

inline char not_linked;  // its address marks the links of what is on no list

template <typename T>
struct Link {
  static T* none() { return reinterpret_cast<T*>(&not_linked); }

  T* previous = none();
  T* next = nullptr;
};

template <typename T, Link<T> T::*kLink>
class List {
 public:
  bool empty() const { return head_ == nullptr; }
  std::size_t size() const { return size_; }
  T* front() const { return head_; }
  static T* next(const T& item) { return (item.*kLink).next; }
  static bool is_linked(const T& item) { return (item.*kLink).previous != Link<T>::none(); }

  void push_back(T& item) { insert(item, tail_, nullptr); }
  void push_front(T& item) { insert(item, nullptr, head_); }

  void remove(T& item) {
    assert(is_linked(item));
    Link<T>& link = item.*kLink;
    (link.previous ? (link.previous->*kLink).next : head_) = link.next;
    (link.next ? (link.next->*kLink).previous : tail_) = link.previous;
    link = {};
    --size_;
  }

  T* pop_front() {
    T* item = head_;
    if (item) remove(*item);
    return item;
  }

 private:
  void insert(T& item, T* previous, T* next) {
    assert(!is_linked(item));
    item.*kLink = {previous, next};
    (previous ? (previous->*kLink).next : head_) = &item;
    (next ? (next->*kLink).previous : tail_) = &item;
    ++size_;
  }

  T* head_ = nullptr;
  T* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace samovar::broker
