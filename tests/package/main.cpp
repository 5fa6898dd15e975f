// Compiles against the installed headers and calls a broker that is not there.
#include <chrono>
#include <cstdio>
#include <string>

#include <samovar/client.hpp>

int main() {
  using namespace std::chrono_literals;
  samovar::Client client{"tcp://127.0.0.1:9"};
  try {
    client.call<std::string>("ipgeo.country", "1.0.1.0", samovar::timeout(50ms));
  } catch (const samovar::Error& error) {
    std::printf("%s\n", error.what());
    return 0;
  }
  return 1;
}
