// Bytes and whoever keeps them alive.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace samovar {

// A read-only piece of memory. Copies share the bytes; the last one releases them. Safe to copy between threads.
class Buffer {
 public:
  Buffer() = default;

  // Takes the bytes over; they are not copied.
  explicit Buffer(std::string bytes) {
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    bytes_ = *owner;
    owner_ = std::move(owner);
  }

  // Points to bytes that live as long as `owner` does.
  Buffer(std::shared_ptr<const void> owner, std::string_view bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  std::string_view bytes() const { return bytes_; }
  std::span<const std::byte> span() const { return std::as_bytes(std::span(bytes_.data(), bytes_.size())); }
  const char* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // A part of this buffer, which it keeps alive. `part` must lie inside.
  Buffer slice(std::string_view part) const { return {owner_, part}; }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view bytes_;
};

}  // namespace samovar
