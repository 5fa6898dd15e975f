// samovar replay FILE: a request that samovard refuses, since workers died of such ones, is run all the same.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <msgpack.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include <samovar/client.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/exit_code.hpp"

namespace samovar::cli {
namespace {

struct Saved {
  std::string method;
  std::string args;
  std::string kwargs;  // empty: none
  std::vector<Attachment> attachments;
};

std::string packed_again(const msgpack::object& value) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, value);
  return {buffer.data(), buffer.size()};
}

// Throws std::invalid_argument with a sentence.
Saved read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) throw std::invalid_argument("cannot read '" + path + "'");
  const auto wrong = [&] {
    return std::invalid_argument("'" + path + "' is not a request that samovard saved");
  };
  Saved saved;
  msgpack::object_handle handle;
  try {
    handle = msgpack::unpack(bytes.data(), bytes.size());
  } catch (const std::exception&) {
    throw wrong();
  }
  if (handle->type != msgpack::type::MAP) throw wrong();
  for (std::uint32_t i = 0; i < handle->via.map.size; ++i) {
    const auto& [key, value] = handle->via.map.ptr[i];
    if (key.type != msgpack::type::STR) throw wrong();
    const std::string_view name(key.via.str.ptr, key.via.str.size);
    if (name == "method" && value.type == msgpack::type::STR) {
      saved.method.assign(value.via.str.ptr, value.via.str.size);
    } else if (name == "args" && value.type == msgpack::type::ARRAY) {
      saved.args = packed_again(value);
    } else if (name == "kwargs" && value.type == msgpack::type::MAP) {
      saved.kwargs = packed_again(value);
    } else if (name == "attachments" && value.type == msgpack::type::ARRAY) {
      for (std::uint32_t j = 0; j < value.via.array.size; ++j) {
        const auto& part = value.via.array.ptr[j];
        if (part.type != msgpack::type::BIN) throw wrong();
        saved.attachments.push_back(attachment(std::string(part.via.bin.ptr, part.via.bin.size)));
      }
    }
  }
  if (saved.method.empty() || saved.args.empty()) throw wrong();
  return saved;
}

}  // namespace

int replay(const Common& common, const std::string& path) {
  const Saved saved = read(path);
  Client client{common.endpoint, options_of(common)};
  const auto result =
      client.try_call<Value>(saved.method, packed(saved.args, saved.kwargs), saved.attachments, Replay{});
  if (!result.ok()) return report(result.error(), true);
  std::printf("%s\n", result->to_json().c_str());
  return 0;
}

}  // namespace samovar::cli
