// Where the brokers are: what users write, and names that are looked up.
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "client/endpoints.hpp"
#include "client/resolver.hpp"
#include "tests/support/catch.hpp"

namespace samovar::client {
namespace {

using namespace std::chrono_literals;
using List = std::vector<std::string>;

TEST_CASE("a list of endpoints has each once, and names apart") {
  const auto found = parse_endpoints("tcp://a:1,ipc:///run/b,dns+tcp://brokers.local:7711,tcp://a:1");
  CHECK(found.fixed == List{"tcp://a:1", "ipc:///run/b"});
  REQUIRE(found.names.size() == 1);
  CHECK(found.names[0].name == "brokers.local");
  CHECK(found.names[0].port == "7711");
}

TEST_CASE("what is no list of endpoints is refused with the piece that is wrong") {
  const auto refused = [](const std::string& list, const std::string& words) {
    try {
      parse_endpoints(list);
      FAIL("it was taken: " << list);
    } catch (const std::invalid_argument& error) {
      INFO(error.what());
      CHECK(std::string_view(error.what()).find(words) != std::string_view::npos);
    }
  };
  refused("", "'' is no endpoint");
  refused("tcp://a:1,", "'' is no endpoint");
  refused("tcp://a:1,tcp://b", "'tcp://b' is no endpoint");
  for (const auto* piece : {"dns+tcp://a", "dns+tcp://:1", "dns+tcp://a:", "dns+tcp://a:0",
                            "dns+tcp://a:65536", "dns+tcp://a:1x", "dns+tcp://a:123456"})
    refused("tcp://a:1," + std::string(piece), "'" + std::string(piece) + "' is no endpoint");
}

TEST_CASE("an address is its own name") {
  CHECK(look_up({"127.0.0.1", "7711"}) == List{"tcp://127.0.0.1:7711"});
  CHECK(look_up({"::1", "7711"}) == List{"tcp://[::1]:7711"});
  CHECK_THROWS_AS(look_up({"name.invalid", "1"}), std::runtime_error);
}

// A resolver that is told what it finds.
class Names {
 public:
  struct Found {
    List endpoints;
    std::string why;
  };

  List look_up(const DnsName& name) {
    std::unique_lock lock(mutex_);
    ++looks_;
    changed_.notify_all();
    if (addresses_.empty()) throw std::runtime_error("'" + name.name + "' has no address: unknown");
    return addresses_;
  }
  void set(List addresses) {
    const std::lock_guard lock(mutex_);
    addresses_ = std::move(addresses);
  }
  void found(List endpoints, std::string why) {
    const std::lock_guard lock(mutex_);
    found_.push_back({std::move(endpoints), std::move(why)});
    changed_.notify_all();
  }
  // What has been found for the n-th time, from 1.
  Found wait_for(std::size_t n) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 20s, [&] { return found_.size() >= n; }));
    return found_[n - 1];
  }
  void wait_for_looks(int n) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 20s, [&] { return looks_ >= n; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  List addresses_;
  int looks_ = 0;
  std::vector<Found> found_;
};

TEST_CASE("a name is looked up again when a broker is gone, and keeps its addresses while that fails") {
  const auto names = std::make_shared<Names>();
  names->set({"tcp://b:1", "tcp://a:1"});
  Resolver resolver(
      parse_endpoints("dns+tcp://brokers:1,ipc://fixed"),
      [names](List endpoints, std::string why) { names->found(std::move(endpoints), std::move(why)); },
      [names](const DnsName& name) { return names->look_up(name); });
  CHECK(names->wait_for(1).endpoints == List{"ipc://fixed", "tcp://a:1", "tcp://b:1"});
  names->set({});
  resolver.hurry();
  names->wait_for_looks(2);
  names->set({"tcp://c:1"});
  resolver.hurry();
  CHECK(names->wait_for(2).endpoints == List{"ipc://fixed", "tcp://c:1"});
}

TEST_CASE("that a name has no address is told with the reason") {
  const auto names = std::make_shared<Names>();
  const Resolver resolver(
      parse_endpoints("dns+tcp://brokers:1"),
      [names](List endpoints, std::string why) { names->found(std::move(endpoints), std::move(why)); },
      [names](const DnsName& name) { return names->look_up(name); });
  CHECK(names->wait_for(1).why == "'brokers' has no address: unknown");
  CHECK(names->wait_for(1).endpoints.empty());
}

}  // namespace
}  // namespace samovar::client
