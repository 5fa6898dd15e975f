// samovar/asio.hpp over Boost.Asio.
#define SAMOVAR_USE_BOOST_ASIO
#include <samovar/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

namespace net = boost::asio;
#include "tests/client/asio_cases.hpp"

TEST_CASE("Boost.Asio: a handler gets its result on its executor, for which run() waits") {
  run_waits_for_a_handler();
}

TEST_CASE("Boost.Asio: a handler hears of what failed, and never inside the initiating function") {
  a_handler_hears_of_failures();
}

TEST_CASE("Boost.Asio: a handler without an executor runs on the client's own thread") {
  without_an_executor();
}

TEST_CASE("Boost.Asio: futures of Asio throw what the call throws") {
  futures_throw();
}

TEST_CASE("Boost.Asio: Asio's coroutines await calls") {
  coroutines_await();
}

TEST_CASE("Boost.Asio: what Asio waits for ends when the client is destroyed") {
  the_client_is_destroyed();
}

TEST_CASE("Boost.Asio: a context that is destroyed before its handlers have run destroys them") {
  the_context_is_destroyed();
}
