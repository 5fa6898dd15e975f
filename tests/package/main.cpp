// Compiles against the installed headers and calls a broker that is not there.
#include <chrono>
#include <cstdio>
#include <string>

#include <samovar/client.hpp>
#include <samovar/coroutine.hpp>
#include <samovar/task.hpp>
#include <tea.hpp>

namespace {

samovar::Task<bool> awaits(samovar::Client& client) {
  const auto result = co_await client.co_try_call("ipgeo.country", "1.0.1.0",
                                                  samovar::timeout(std::chrono::milliseconds(50)));
  co_return result.ok();
}

}  // namespace

int main() {
  using namespace std::chrono_literals;
  samovar::Client client{"tcp://127.0.0.1:9"};
  if (samovar::sync_wait(awaits(client))) return 1;
  try {
    static_cast<void>(tea::Client(client).brew(tea::Kind::oolong, samovar::timeout(50ms)));
  } catch (const samovar::Error& error) {
    std::printf("%s\n", error.what());
    return 0;
  }
  return 1;
}
