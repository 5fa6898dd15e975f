// Objects that are used again: no allocation for each once there are enough of them. They stay where they are, and
// keep what they were when they are given back. Not thread-safe.
#pragma once

#include <cassert>
#include <cstddef>
#include <memory>
#include <vector>

namespace samovar::broker {

template <typename T>
class Recycled {
 public:
  T& take() {
    if (free_.empty()) add_chunk();
    T* object = free_.back();
    free_.pop_back();
    ++taken_;
    return *object;
  }

  void give_back(T& object) {
    assert(taken_ > 0);
    --taken_;
    free_.push_back(&object);
    if (taken_ == 0 && chunks_.size() > kKeptChunks) shrink();
  }

  // How many are in use.
  std::size_t size() const { return taken_; }
  // How many there is memory for.
  std::size_t capacity() const { return chunks_.size() * kChunk; }

 private:
  static constexpr std::size_t kChunk = 256;
  static constexpr std::size_t kKeptChunks = 256;  // what a peak leaves behind

  void add_chunk() {
    chunks_.push_back(std::make_unique<T[]>(kChunk));
    free_.reserve(chunks_.size() * kChunk);
    for (std::size_t i = kChunk; i > 0; --i) free_.push_back(&chunks_.back()[i - 1]);
  }

  void shrink() {
    chunks_.clear();
    free_.clear();
    free_.shrink_to_fit();
  }

  std::vector<std::unique_ptr<T[]>> chunks_;
  std::vector<T*> free_;
  std::size_t taken_ = 0;
};

}  // namespace samovar::broker
