"""Ends that were asked for lose nothing: of a worker, of a pool, of the broker."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from e2e.processes import Broker, Program, Scene, wait_until
from e2e.raw import DRAIN, DRAINED, Client, words

NAPS = 1500


def test_sigterm_of_workers_under_load_loses_nothing(
    scene: Scene, broker: Broker, client: Client
) -> None:
    scene.pool(broker.backend, "kitchen:service", 2)
    ids = client.begin_many("kitchen.nap", NAPS, 0.002)
    for share in (1, 2, 3):
        client.finish_all(ids[: share * NAPS // 5])
        victim = broker.wait_for_workers("kitchen", 2)[0]["pid"]
        os.kill(victim, signal.SIGTERM)
        wait_until(
            lambda: victim not in {each["pid"] for each in broker.ready_workers("kitchen")},
            "it did not drain",
        )
    assert words(client.finish_all(ids, cap=60)) == {"ok"}
    counters = broker.status()["counters"]
    assert counters["dispatched"] == NAPS, "each was run once"
    assert counters["workers_lost"] == 0


def test_sigterm_of_a_whole_pool_under_load_loses_nothing(
    scene: Scene, broker: Broker, client: Client
) -> None:
    leaving = scene.pool(broker.backend, "kitchen:service", 1)
    scene.pool(broker.backend, "kitchen:service", 1)
    broker.wait_for_workers("kitchen", 2)
    ids = client.begin_many("kitchen.nap", NAPS, 0.001)
    client.finish_all(ids[: NAPS // 5])
    leaving.signal(signal.SIGTERM)
    assert leaving.exit_code() == 0
    assert words(client.finish_all(ids, cap=60)) == {"ok"}
    assert broker.counter("dispatched") == NAPS
    assert len(broker.ready_workers("kitchen")) == 1


def test_a_worker_gets_drained_behind_all_that_was_dispatched_to_it(
    broker: Broker, client: Client
) -> None:
    worker = broker.worker()
    worker.ready("tea", "brew")
    calls = [client.begin("tea.brew", 0)]
    (item,) = worker.take()
    worker.reply(item, 0)
    client.finish(calls[0])  # measured: more than one may be dispatched now
    worker.send(DRAIN, {})
    calls = [client.begin("tea.brew", number, timeout=10) for number in range(3)]
    taken = []
    while (message := worker.receive()) is not None and message.kind != DRAINED:
        taken.append(message)
    assert message is not None and len(taken) <= 1
    worker.close()
    replacement = broker.worker()
    replacement.ready("tea", "brew", credit=10)
    wanted = 3 - len(taken)
    while wanted:
        for item in replacement.take():
            replacement.reply(item, "brewed")
            wanted -= 1
    words = [outcome.word for outcome in client.finish_all(calls)]
    assert words.count("ok") >= 2 and set(words) <= {"ok", "worker_lost"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_broker_that_is_asked_to_stop_finishes_what_runs(
    scene: Scene, broker: Broker, pool: Program, client: Client, number: signal.Signals
) -> None:
    gate = scene.path("gate")
    running = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    queued = client.begin_many("kitchen.record", 50, "queued")
    broker.wait_for_queued("kitchen", 50)
    broker.signal(number)
    for outcome in client.finish_all(queued):
        assert outcome.word == "unavailable"
        assert outcome.value["where"] == "queued"
    assert client.call("kitchen.record", "new").word == "unavailable"
    assert [other.kind for other in client.others] == [DRAIN]
    assert broker.is_running()
    gate.touch()
    outcome = client.finish(running)
    assert (outcome.word, outcome.value) == ("ok", "held")
    assert broker.exit_code() == 0
    assert scene.notes() == ["held"]
    assert pool.is_running(), "a pool that was started by hand waits for the next broker"


def test_what_runs_longer_than_the_grace_time_ends_as_broker_lost(scene: Scene) -> None:
    broker = scene.broker(config="[deadlines]\ndrain_grace_ms = 200\n")
    scene.pool(broker.backend)
    client = broker.client()
    gate = scene.path("gate")
    running = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    broker.signal(signal.SIGTERM)
    assert client.finish(running).word == "broker_lost"
    assert broker.exit_code() == 0
    gate.touch()


def test_a_second_signal_ends_the_broker_at_once(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    gate = scene.path("gate")
    client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    broker.signal(signal.SIGTERM)
    broker.wait_for_line("stopping")
    asked_at = time.monotonic()
    broker.signal(signal.SIGTERM)
    assert broker.exit_code() != 0
    assert time.monotonic() - asked_at < 3.0
    gate.touch()


def test_a_second_signal_ends_a_pool_at_once(scene: Scene, pool: Program, client: Client) -> None:
    call = client.begin("kitchen.hold", "held", str(scene.path("never")))
    scene.wait_for_note("held")
    pool.signal(signal.SIGTERM)
    wait_until(lambda: not is_pending(pool.pid, signal.SIGTERM), "SIGTERM was not taken")
    asked_at = time.monotonic()
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 1
    assert time.monotonic() - asked_at < 3.0
    assert client.finish(call).word == "worker_lost"


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether this signal has been sent to the process and not been delivered yet."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = re.findall(r"^(?:Shd|Sig)Pnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in pending)


def test_an_idle_broker_stops_at_once(broker: Broker, client: Client) -> None:
    assert client.ok("samovar.ping") == "pong"
    asked_at = time.monotonic()
    broker.signal(signal.SIGTERM)
    assert broker.exit_code() == 0
    assert time.monotonic() - asked_at < 3.0
