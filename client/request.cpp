#include "client/request.hpp"

#include <algorithm>
#include <bit>

#include "client/limits.hpp"
#include "proto/codec.hpp"
#include "proto/cursor.hpp"
#include "proto/limits.hpp"

namespace samovar::detail {

void Writer::real(double value, int bytes) {
  std::uint64_t bits = 0;
  if (bytes == 8) {
    bits = std::bit_cast<std::uint64_t>(value);
    out_ += '\xcb';
  } else {
    bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    out_ += '\xca';
  }
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out_ += static_cast<char>(bits >> shift & 0xff);
}

void pack_bytes(std::string& out, std::string_view bytes) {
  Writer writer(out);
  msgpack::packer<Writer> packer(writer);
  packer.pack_bin(static_cast<std::uint32_t>(bytes.size()));
  packer.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
}

void pack_array_head(std::string& out, std::size_t size) {
  Writer writer(out);
  msgpack::packer<Writer>(writer).pack_array(static_cast<std::uint32_t>(size));
}

void pack_map_head(std::string& out, std::size_t size) {
  if (size == 0) {
    out += proto::kNil;
  } else {
    proto::append_map(out, static_cast<std::uint32_t>(size));
  }
}

void pack_packed(std::string& out, const Packed& packed) {
  out += packed.args;
  out += packed.kwargs.empty() ? proto::kNil : packed.kwargs;
}

}  // namespace samovar::detail

namespace samovar::client {
namespace {

using namespace std::chrono_literals;

void append_ext(std::string& out, const detail::Request& request) {
  std::string entries;
  std::uint32_t count = 0;
  const auto key = [&](std::string_view name) -> std::string& {
    ++count;
    proto::append_str(entries, name);
    return entries;
  };
  if (!request.attachments.empty()) proto::append_uint(key("attachments"), request.attachments.size());
  if (request.priority) {
    proto::append_uint(key("priority"), static_cast<std::uint64_t>(*request.priority));
  }
  if (request.stream && request.window != proto::kDefaultWindow) {
    proto::append_uint(key("window"), request.window);
  }
  if (request.schema) proto::append_uint(key("schema"), request.schema->hash);
  if (!request.traceparent.empty()) proto::append_str(key("traceparent"), request.traceparent);
  if (!request.affinity.empty()) proto::append_str(key("affinity"), request.affinity);
  if (count == 0) {
    out += proto::kNil;
  } else {
    proto::append_map(out, count);
    out += entries;
  }
}

const char* check_body(std::string_view body) {
  constexpr const char* kBroken =
      "the arguments cannot be sent: nested more than 60 deep, or a type of yours packs itself wrongly";
  constexpr int kDepth = samovar::limits::kMaxDepth - 1;
  proto::Cursor cursor(body);
  std::string_view part;
  if (!cursor.at_array()) return "the arguments are not an array";
  if (!cursor.skip(kDepth, part)) return kBroken;
  if (!cursor.at_map() && !cursor.at_nil()) return "the keyword arguments are not a map";
  if (!cursor.skip(kDepth, part) || !cursor.at_end()) return kBroken;
  return nullptr;
}

const char* check_hedge(const detail::Request& request) {
  if (!request.hedge_after) return nullptr;
  if (!request.idempotent)
    return "samovar::hedge makes a second call beside the first: it stands with samovar::idempotent only";
  if (request.stream) return "samovar::hedge is not for streams: two of them cannot be joined";
  if (*request.hedge_after <= 0us) return "samovar::hedge takes a time above 0";
  return nullptr;
}

Tries policy(const RetryPolicy& retry) {
  return {static_cast<std::uint8_t>(std::clamp(retry.max_attempts, 1, 100)), std::max(retry.backoff, 0us),
          std::max({retry.max_backoff, retry.backoff, 0us})};
}

}  // namespace

bool prepare(detail::PendingCall& call, std::string_view method, detail::Request&& request,
             const detail::Defaults& defaults, std::string& why) {
  constexpr auto kLongest =
      std::chrono::duration_cast<std::chrono::microseconds>(samovar::limits::kMaxTimeout);
  call.method = method;
  call.flags = (request.idempotent ? proto::kIdempotent : 0u) | (request.metadata ? proto::kMetadata : 0u) |
               (request.replay ? proto::kReplay : 0u) | (request.stream ? proto::kStream : 0u);
  const auto timeout = request.timeout ? request.timeout : defaults.timeout;
  call.own_timeout = timeout.has_value();
  call.deadline = Clock::now() + std::min(timeout.value_or(limits::kBrokerWait), kLongest);
  call.retry = policy(request.retry.value_or(defaults.retry));
  call.hedge_after = request.hedge_after.value_or(0us);
  const char* wrong = check_hedge(request);
  if (wrong == nullptr) wrong = check_body(request.body);
  if (wrong != nullptr) {
    why = wrong;
    return false;
  }
  append_ext(request.body, request);
  call.schema = request.schema;
  call.tail = std::move(request.body);
  call.attachments = std::move(request.attachments);
  return true;
}

}  // namespace samovar::client
