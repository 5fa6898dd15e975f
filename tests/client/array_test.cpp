// samovar::Array: as argument, as result, inside others; what does not fit.
#include <algorithm>
#include <complex>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <samovar/array.hpp>
#include <samovar/client.hpp>

#include "tests/client/fake_broker.hpp"
#include "tests/support/catch.hpp"

using namespace samovar;
using client::FakeBroker;
using client::FakeRequest;

namespace {

struct Picture {
  std::string title;
  Array<float> pixels;
  MSGPACK_DEFINE_MAP(title, pixels)
};

// Answers with the first argument and all attachments.
void echo_attachments(FakeBroker& self, const FakeRequest& request) {
  std::string ext;
  proto::append_map(ext, 1);
  proto::append_str(ext, "attachments");
  proto::append_uint(ext, request.attachments.size());
  self.reply(request, request.first_argument(), Status::ok, ext, request.attachments);
}

std::vector<float> floats() {
  return {1, 2, 3, 4, 5, 6};
}

}  // namespace

TEST_CASE("an array goes and comes as an attachment") {
  FakeBroker broker(echo_attachments);
  Client client{broker.endpoint()};
  const auto back = client.call<Array<float>>("a.b", Array<float>(floats(), {2, 3}));
  CHECK(back.shape() == Shape{2, 3});
  CHECK(std::ranges::equal(back.elements(), floats()));
  CHECK(back(1, 2) == 6);
  CHECK(back[3] == 4);
  const auto request = broker.requests().at(0);
  REQUIRE(request.attachments.size() == 1);
  CHECK(request.attachments[0].size() == 24);
  // ext 1 of [0, "<f4", [2, 3]]
  CHECK(request.first_argument() == std::string("\xc7\x09\x01\x93\x00\xa3<f4\x92\x02\x03", 12));
}

TEST_CASE("arrays stand anywhere among the arguments and in results") {
  FakeBroker broker(echo_attachments);
  Client client{broker.endpoint()};
  const std::map<std::string, std::vector<Array<std::int64_t>>> all{
      {"a", {Array<std::int64_t>({1}), Array<std::int64_t>({2, 3})}}, {"b", {Array<std::int64_t>({4})}}};
  const auto back = client.call<std::map<std::string, std::vector<Array<std::int64_t>>>>(
      "a.b", all, attachment("last"), kw("more", Array<double>({0.5})));
  CHECK(back.at("a").at(1)[1] == 3);
  CHECK(back.at("b").at(0)[0] == 4);
  CHECK(broker.requests().at(0).attachments.at(4) == "last");
  const auto picture = client.call<Picture>("a.b", Picture{"tea", Array<float>(floats(), {6, 1})});
  CHECK(picture.pixels(5, 0) == 6);
}

TEST_CASE("arrays come as items of a stream, each with its own attachments") {
  FakeBroker broker([](FakeBroker& self, const FakeRequest& request) {
    // [0, "<u2", [n]] of n elements
    const auto described = [](char n) { return std::string("\xc7\x08\x01\x93\x00\xa3<u2\x91", 10) + n; };
    const std::string one("\x01\x00", 2), two("\x02\x00\x03\x00", 4);
    self.items(request, 0, {described(1)}, {one});
    self.items(request, 1, {described(2)}, {two});
    self.end(request);
  });
  Client client{broker.endpoint()};
  std::vector<std::vector<std::uint16_t>> got;
  for (const auto& item : client.stream<Array<std::uint16_t>>("a.b")) {
    got.emplace_back(item.elements().begin(), item.elements().end());
  }
  CHECK(got == std::vector<std::vector<std::uint16_t>>{{1}, {2, 3}});
}

TEST_CASE("elements of every type have numpy's names") {
  CHECK(detail::dtype_of<bool>() == "|b1");
  CHECK(detail::dtype_of<std::uint8_t>() == "|u1");
  CHECK(detail::dtype_of<std::int8_t>() == "|i1");
  CHECK(detail::dtype_of<std::int16_t>() == "<i2");
  CHECK(detail::dtype_of<std::uint64_t>() == "<u8");
  CHECK(detail::dtype_of<double>() == "<f8");
  CHECK(detail::dtype_of<std::complex<double>>() == "<c16");
}

TEST_CASE("an array of another type is a misfit that says what came") {
  FakeBroker broker(echo_attachments);
  Client client{broker.endpoint()};
  const Array<float> array(floats(), {2, 3});
  const auto result = client.try_call<Array<double>>("a.b", array);
  REQUIRE_FALSE(result.ok());
  CHECK(result.status() == Status::bad_request);
  CHECK(std::string(result.error().what()).find("[0, \"<f4\", [2, 3]]") != std::string::npos);
  CHECK(client.try_call<std::vector<float>>("a.b", array).status() == Status::bad_request);
  CHECK(client.try_call<Array<float>>("a.b", 5).status() == Status::bad_request);
}

TEST_CASE("an array that does not fit its attachment is refused") {
  const auto of = [](const std::string& body) {
    std::string out("\xc7", 1);
    out += static_cast<char>(body.size());
    out += '\x01';
    return Value::parse(Buffer(out + body));
  };
  const std::vector<Buffer> attachments{Buffer(std::string(8, '\0'))};
  const auto fits = [&](const std::string& body) {
    try {
      return static_cast<int>(Array<float>::from(of(body), attachments).size());
    } catch (const Error&) {
      return -1;
    }
  };
  using namespace std::string_literals;
  CHECK(fits("\x93\x00\xa3<f4\x91\x02"s) == 2);
  CHECK(fits("\x93\x00\xa3<f4\x91\x03"s) == -1);
  CHECK(fits("\x93\x01\xa3<f4\x91\x02"s) == -1);
  CHECK(fits("\x93\x00\xa3<f8\x91\x01"s) == -1);
  CHECK(fits("\x93\x00\xa3<f4\x93\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x02\x02"s) == -1);
  CHECK(fits("\x93\x00\xa3<f4\x92\x00\x02"s) == -1);
  CHECK(fits("\x93\x00\xa3<f4"s) == -1);
  CHECK(fits("\xc1"s) == -1);
}

TEST_CASE("an array has the elements that its shape says, and owns or shares them") {
  CHECK_THROWS_AS(Array<int>({1, 2, 3}, {2, 2}), std::invalid_argument);
  CHECK_THROWS_AS(Array<int>(std::vector<int>(), {SIZE_MAX, 2}), std::invalid_argument);
  CHECK(Array<int>(std::vector<int>(), {0, 5}).size() == 0);
  CHECK(Array<double>().shape() == Shape{0});
  std::vector<int> numbers{1, 2};
  const auto* memory = numbers.data();
  const Array<int> taken(std::move(numbers));
  CHECK(taken.data() == memory);
  const bool flags[] = {true, false};
  const Array<bool> copied{std::span<const bool>(flags)};
  CHECK(copied.size() == 2);
  CHECK(copied[0]);
  CHECK_THROWS_AS(Value::of(taken), std::logic_error);
}

TEST_CASE("elements that are not aligned in a message are copied") {
  std::string bytes(9, '\0');
  bytes[1] = 7;
  const Buffer whole(bytes);
  const std::vector<Buffer> attachments{whole.slice(whole.bytes().substr(1))};
  const auto value = Value::parse(Buffer(std::string("\xc7\x08\x01\x93\x00\xa3<i8\x91\x01", 11)));
  const auto array = Array<std::int64_t>::from(value, attachments);
  CHECK(array[0] == 7);
}
