"""Deadlines and cancels: callers hear in time, expired work is not run, credit comes back."""

import time

from e2e.processes import Broker, Program, Scene, wait_until
from e2e.raw import CANCEL, Client, now_us, words


def test_a_handler_that_sleeps_past_the_deadline_does_not_hold_up_its_caller(
    broker: Broker, pool: Program, client: Client
) -> None:
    pid = client.ok("kitchen.pid")
    begun = time.monotonic()
    outcome = client.call("kitchen.nap", 1.5, timeout=0.3)
    elapsed = time.monotonic() - begun
    assert outcome.word == "deadline_exceeded"
    assert outcome.value["where"] == "running"
    assert 0.3 <= elapsed < 1.3
    assert broker.service("kitchen")["abandoned"] == 1, "the worker still holds it"
    # The next call waits for the worker, and the late reply goes to nobody.
    assert client.ok("kitchen.pid") == pid
    status = broker.status()
    assert (status["services"][0]["abandoned"], status["services"][0]["in_flight"]) == (0, 0)
    assert status["counters"]["workers_lost"] == 0


def test_what_expires_in_the_queue_is_not_run(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    gate = scene.path("gate")
    held = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    expired = client.begin_many("kitchen.record", 100, "expired", timeout=0.2)
    outcomes = client.finish_all(expired)
    assert words(outcomes) == {"deadline_exceeded"}
    assert {outcome.value["where"] for outcome in outcomes} == {"queued"}
    gate.touch()
    assert client.finish(held).word == "ok"
    assert client.ok("kitchen.record", "fresh") == "fresh"
    assert scene.notes() == ["held", "fresh"]


def test_time_that_passed_before_the_broker_read_a_request_counts(
    scene: Scene, pool: Program, client: Client
) -> None:
    outcome = client.call("kitchen.record", "late", timeout=1.0, sent_us=now_us() - 2_000_000)
    assert outcome.word == "deadline_exceeded"
    assert outcome.value["where"] == "queued"
    assert client.ok("kitchen.record", "fresh", timeout=20, sent_us=0) == "fresh"
    assert scene.notes() == ["fresh"]


def test_a_request_without_a_timeout_gets_the_default_and_one_with_too_much_the_maximum(
    scene: Scene,
) -> None:
    broker = scene.broker(config="[deadlines]\ndefault_timeout_ms = 250\nmax_timeout_ms = 500\n")
    scene.pool(broker.backend)
    client = broker.client()
    for asked, given in ((0, 0.25), (3600, 0.5)):
        begun = time.monotonic()
        outcome = client.call("kitchen.nap", 0.8, timeout=asked, sent_us=0)
        assert outcome.word == "deadline_exceeded"
        assert given <= time.monotonic() - begun
        assert f"({int(given * 1000)} ms)" in outcome.message
        wait_until(lambda: broker.service("kitchen")["abandoned"] == 0, "the nap does not end")


def test_a_cancel_ends_queued_and_running_calls_at_once(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    gate = scene.path("gate")
    running = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    queued = client.begin("kitchen.record", "queued")
    other = client.begin("kitchen.record", "other")
    client.send(CANCEL, running, queued, 123456)
    assert [o.value["where"] for o in client.finish_all([running, queued])] == ["running", "queued"]
    assert {client.outcomes[each].word for each in (running, queued)} == {"cancelled"}
    gate.touch()
    assert client.finish(other).word == "ok"
    assert scene.notes() == ["held", "other"]
    assert broker.service("kitchen")["abandoned"] == 0


def test_the_requests_of_a_client_that_leaves_are_not_run(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    gate = scene.path("gate")
    leaver = broker.client()
    held = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    leaver.begin_many("kitchen.record", 200, "of the leaver")
    broker.wait_for_queued("kitchen", 200)
    leaver.close()
    broker.wait_for_counter("client_gone", 200)
    gate.touch()
    assert client.finish(held).word == "ok"
    assert client.ok("kitchen.record", "fresh") == "fresh"
    assert scene.notes() == ["held", "fresh"]
