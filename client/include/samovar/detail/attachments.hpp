// Which attachments belong to the body that this thread packs or decodes, for types whose content is in them. Not for
// users: msgpack hands nothing but the body through to the adaptor of a type deep inside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <samovar/buffer.hpp>

namespace samovar::detail {

// PROTOCOL.md 4.8.
inline constexpr std::int8_t kArrayExt = 1;

inline thread_local constinit std::vector<Buffer>* packing = nullptr;
inline thread_local constinit const std::vector<Buffer>* reading = nullptr;

class PackingAttachments {
 public:
  explicit PackingAttachments(std::vector<Buffer>* attachments) : before_(packing) { packing = attachments; }
  ~PackingAttachments() { packing = before_; }
  PackingAttachments(const PackingAttachments&) = delete;
  PackingAttachments& operator=(const PackingAttachments&) = delete;

 private:
  std::vector<Buffer>* before_;
};

class ReadingAttachments {
 public:
  explicit ReadingAttachments(const std::vector<Buffer>* attachments) : before_(reading) {
    reading = attachments;
  }
  ~ReadingAttachments() { reading = before_; }
  ReadingAttachments(const ReadingAttachments&) = delete;
  ReadingAttachments& operator=(const ReadingAttachments&) = delete;

 private:
  const std::vector<Buffer>* before_;
};

// Adds to those of the call that is being packed; returns its index. Throws std::logic_error when none is.
std::size_t attach(Buffer buffer);

}  // namespace samovar::detail
