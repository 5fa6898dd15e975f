// The client's session: a broker that refuses its key, or what its key does not allow.
#include "tests/client/session_harness.hpp"

namespace samovar::client {
namespace {

std::string refusal() {
  proto::ProtocolError error;
  error.message = "the key of this connection is not allowed any more";
  error.unauthorized = true;
  return proto::encode(0, error);
}

}  // namespace

TEST_CASE("a refused handshake ends what waits and what is submitted as unauthorized, until it is over") {
  Harness h;
  const auto waiting = h.submit();
  h.session.unauthorized("does not know this client's key", h.now);
  const auto outcome = h.outcome_of(waiting);
  CHECK(outcome.status == Status::unauthorized);
  CHECK(h.error(outcome).message == "the broker at ipc://broker does not know this client's key");
  const auto next = h.submit();
  CHECK(h.outcome_of(next).status == Status::unauthorized);

  SECTION("a connection is made") {
    h.make_ready();
    h.submit();
    CHECK(h.requests().size() == 1);
  }
  SECTION("nobody refuses any more: the broker is gone") {
    h.now += 2s;
    h.submit();
    CHECK(h.none_completed());
    CHECK(h.session.outstanding() == 1);
  }
}

TEST_CASE("a refused HELLO is said again after 5 s, and calls meanwhile end as unauthorized") {
  Harness h;
  h.session.connected(h.now);
  const auto call = h.submit();
  h.messages();
  h.give(refusal());
  CHECK(h.session.state() == LinkState::refused);
  CHECK(h.outcome_of(call).status == Status::unauthorized);
  const auto refused = h.submit();
  CHECK(h.outcome_of(refused).status == Status::unauthorized);
  CHECK(h.messages().empty());

  CHECK(h.session.next_deadline() == h.now + 5s);
  h.session.tick(h.now += 5s);
  h.welcome(1);
  h.submit();
  CHECK(h.requests().size() == 1);
}

TEST_CASE("a key that is revoked ends what was sent as unauthorized") {
  Harness h;
  h.make_ready();
  const auto call = h.submit();
  h.requests();
  h.give(refusal());
  CHECK(h.outcome_of(call).status == Status::unauthorized);
}

}  // namespace samovar::client
