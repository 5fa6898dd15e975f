// Bytes that claim far more than they have: each decoder refuses them, and takes no memory for the claim.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <samovar/array.hpp>
#include <samovar/error.hpp>
#include <samovar/value.hpp>

#include "proto/codec.hpp"
#include "proto/control.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;

namespace {

// The most address space that this process has had so far, in KiB.
std::size_t peak_kib() {
  std::ifstream status("/proc/self/status");
  std::size_t kib = 0;
  for (std::string line; std::getline(status, line);) std::sscanf(line.c_str(), "VmPeak: %zu", &kib);
  REQUIRE(kib > 0);
  return kib;
}

// Runs it, and tells how much the address space has grown.
template <typename Act>
std::size_t growth_kib(const Act& act) {
  const auto before = peak_kib();
  act();
  return peak_kib() - before;
}

// The allocator's own steps are of up to 64 MiB, and a sanitizer keeps what was freed. A bomb of these would take 1.5 GiB
// at least.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kNothingKib = 1024 * 1024;
#else
constexpr std::size_t kNothingKib = 80 * 1024;
#endif

std::string repeated(std::string_view what, std::size_t times) {
  std::string out;
  while (times-- > 0) out += what;
  return out;
}

std::vector<std::string> bombs() {
  std::vector<std::string> all;
  for (const char* claim : {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdf\x7f\xff\xff\xff",
                            "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x01"}) {
    all.push_back(std::string(claim) + "123456789abcdef");
    all.push_back("\x91" + all.back());
    all.push_back("\x81\xa1k" + all.back());
    all.push_back("\x81" + all.back() + "\x01");
  }
  all.push_back(repeated("\x91", 100'000));
  all.push_back(repeated("\x81\x01", 100'000));
  // Each claims less than what follows, all together 63 times as much.
  all.push_back(repeated(std::string("\xdd\x00\x10\x00\x00", 5), 63) + std::string((1 << 20) + 400, '\xc0'));
  return all;
}

// A message of each kind, with the bomb wherever a value may stand.
std::vector<std::string> frames(const std::string& bomb) {
  const std::string request("\x9c\x01\x02\x07\x00\x05\x01\x00\x64\xa3s.m", 13);
  const std::string reply("\x99\x01\x03\x07\x05\x01\x00\x00", 8);
  const std::string control("\x94\x01\x05\x07", 4);
  return {bomb,
          request + bomb + "\xc0\xc0",
          request + "\x90" + bomb + "\xc0",
          request + "\x90\xc0" + bomb,
          reply + bomb + "\xc0",
          reply + "\xc0" + bomb,
          std::string("\x98\x01\x0d\x07\x05\x01\x00", 7) + bomb + "\xc0",
          control + bomb,
          control + "\x81\xa7methods" + bomb,
          control +
              "\x81\xa6"
              "detail" +
              bomb};
}

template <typename T>
void refuse_control(const std::string& frame) {
  T out;
  CHECK(proto::decode(frame, out) != nullptr);
}

}  // namespace

TEST_CASE("a claim of gigabytes costs no memory in the protocol's decoders") {
  CHECK(growth_kib([] {
          for (const auto& bomb : bombs()) {
            for (const auto& frame : frames(bomb)) {
              std::uint64_t sent_us = 0;
              std::vector<proto::RequestItem> requests;
              std::vector<proto::ReplyItem> replies;
              std::vector<proto::StreamItem> items;
              std::vector<std::uint64_t> ids;
              std::vector<proto::Window> windows;
              CHECK(proto::decode_requests(frame, 0, sent_us, requests) != nullptr);
              CHECK(proto::decode_replies(frame, 0, replies) != nullptr);
              CHECK(proto::decode_items(frame, 0, items) != nullptr);
              CHECK(proto::decode_ids(frame, ids) != nullptr);
              CHECK(proto::decode_windows(frame, windows) != nullptr);
              refuse_control<proto::PeerHello>(frame);
              refuse_control<proto::Ready>(frame);
              refuse_control<proto::Pool>(frame);
              refuse_control<proto::Notice>(frame);
            }
            proto::ErrorValue error;
            CHECK(proto::decode_error(bomb, error) != nullptr);
          }
        }) < kNothingKib);
}

TEST_CASE("a claim of gigabytes costs no memory where the client decodes a value") {
  CHECK(growth_kib([] {
          for (const auto& bomb : bombs()) CHECK_THROWS_AS(Value::parse(Buffer(bomb)), std::invalid_argument);
        }) < kNothingKib);
}

TEST_CASE("a claim of gigabytes costs no memory in the description of an array") {
  CHECK(growth_kib([] {
          for (const auto& bomb : bombs()) {
            for (const auto& description : {bomb, "\x93" + bomb, std::string("\x93\x00", 2) + bomb,
                                            std::string("\x93\x00\xa3<f8", 6) + bomb}) {
              if (description.size() > 255) continue;  // an ext with a length of one byte
              const std::string ext = std::string("\xc7") + static_cast<char>(description.size()) + "\x01";
              const auto value = Value::parse(Buffer(ext + description));
              CHECK_THROWS_AS(Array<double>::from(value, {Buffer(std::string(8, 'x'))}), Error);
            }
          }
        }) < kNothingKib);
}
