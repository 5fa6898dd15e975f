"""Limits: what is refused, what stays bounded, and that nobody else notices."""

import time

import pytest
import zmq

from e2e.processes import SAMOVARD, Broker, Program, Scene, resident_bytes, wait_until
from e2e.raw import Client, words

MIB = 1 << 20
LAZY = {zmq.RCVHWM: 1, zmq.RCVBUF: 4096}  # of a client that then never receives


def with_limit(scene: Scene, line: str) -> Broker:
    return scene.broker(config=f"[limits]\n{line}\n")


def test_a_full_queue_is_overloaded_and_says_when_to_come_again(scene: Scene) -> None:
    broker = with_limit(scene, "max_queued = 10")
    scene.pool(broker.backend)
    client = broker.client()
    gate = scene.path("gate")
    held = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    calls = [client.begin("kitchen.echo", number) for number in range(25)]
    refused = client.finish_all(calls[10:])
    assert words(refused) == {"overloaded"}
    assert all(outcome.value["retry_after_us"] > 0 for outcome in refused)
    assert "max_queued" in refused[0].message
    gate.touch()
    assert words(client.finish_all([held, *calls[:10]])) == {"ok"}


def test_the_bytes_of_a_queue_are_bounded(scene: Scene) -> None:
    broker = with_limit(scene, f"max_queued_bytes = {3 * MIB}")
    scene.pool(broker.backend)
    client = broker.client()
    gate = scene.path("gate")
    held = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    calls = [client.begin("kitchen.length", bytes(MIB)) for _ in range(3)]
    assert client.finish(calls[2]).word == "overloaded"
    assert "max_queued_bytes" in client.outcomes[calls[2]].message
    gate.touch()
    assert words(client.finish_all([held, *calls[:2]])) == {"ok"}


def test_one_client_may_not_have_everything_outstanding(scene: Scene) -> None:
    broker = with_limit(scene, "max_outstanding_per_client = 20")
    scene.pool(broker.backend)
    greedy, other = broker.client(), broker.client()
    gate = scene.path("gate")
    held = greedy.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    calls = greedy.begin_many("kitchen.echo", 30, 1)
    assert words(greedy.finish_all(calls[19:])) == {"overloaded"}
    fine = other.begin("kitchen.echo", 1)
    gate.touch()
    assert words(greedy.finish_all([held, *calls[:19]])) == {"ok"}
    assert other.finish(fine).word == "ok"


def test_a_clients_rate_is_limited_and_it_hears_when_to_go_on(scene: Scene) -> None:
    broker = with_limit(scene, "max_requests_per_second_per_client = 100")
    scene.pool(broker.backend)
    hasty, other = broker.client(), broker.client()
    outcomes = hasty.finish_all(hasty.begin_many("kitchen.echo", 150, 1))
    assert {outcome.word for outcome in outcomes[:100]} == {"ok"}
    assert outcomes[-1].word == "overloaded"
    assert "more than 100 requests a second" in outcomes[-1].message
    assert other.ok("kitchen.echo", 1) == 1


def test_a_call_that_cannot_meet_its_deadline_is_refused_before_it_passes(scene: Scene) -> None:
    broker = scene.broker()
    scene.pool(broker.backend)
    client = broker.client()
    for _ in range(3):
        client.ok("kitchen.nap", 0.1)
    patient = client.begin_many("kitchen.nap", 10, 0.1)
    hopeless = client.call("kitchen.nap", 0.1, timeout=0.4)
    assert hopeless.word == "overloaded"
    assert "its deadline is in 400 ms, and it would wait about" in hopeless.message
    assert words(client.finish_all(patient)) == {"ok"}
    assert broker.counter("hopeless") == 1


def test_a_result_beyond_max_body_is_too_large(scene: Scene) -> None:
    broker = with_limit(scene, f"max_body = {MIB}")
    pool = scene.pool(broker.backend)
    client = broker.client()
    assert client.ok("kitchen.zeros", MIB // 2) == bytes(MIB // 2)
    outcome = client.call("kitchen.zeros", 4 * MIB)
    assert outcome.word == "too_large"
    assert client.ok("kitchen.add", 1) == 2
    assert pool.is_running() and broker.counter("workers_lost") == 0


def test_a_peer_that_ignores_max_body_loses_its_connection_and_nobody_else_does(
    scene: Scene,
) -> None:
    broker = with_limit(scene, f"max_body = {MIB}")
    scene.pool(broker.backend)
    client, hostile = broker.client(), broker.client(watched=True)
    hostile.begin("kitchen.length", bytes(4 * MIB))
    while not hostile.breaks:
        assert hostile.pump(20.0), "its connection was not cut"
    assert client.ok("kitchen.add", 1) == 2


def test_a_client_that_floods_does_not_starve_one_with_a_single_call(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    flooding, light = broker.client(), broker.client()
    flooding.ok("kitchen.tick")
    gate = scene.path("gate")
    held = flooding.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    flood = flooding.begin_many("kitchen.tick", 100_000, timeout=80)
    broker.wait_for_queued("kitchen", 100_000)
    call = light.begin("kitchen.tick")
    broker.wait_for_queued("kitchen", 100_001)
    gate.touch()
    served_as = light.finish(call).value
    print(f"the light client's call was number {served_as - 1}")
    # Of 256 us of work for each round, the flooding client gets half: 256 calls that take no time.
    assert served_as <= 2 + 256, "it was to be served in the first round"
    assert words(flooding.finish_all([held, *flood], cap=80)) == {"ok"}


def test_urgent_calls_overtake_and_bulk_calls_wait(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    gate = scene.path("gate")
    held = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    calls = [
        client.begin("kitchen.record", text, ext={"priority": priority})
        for text, priority in (("bulk", 2), ("normal", 1), ("urgent", 0))
    ]
    broker.wait_for_queued("kitchen", 3)
    gate.touch()
    assert words(client.finish_all([held, *calls])) == {"ok"}
    assert scene.notes() == ["held", "urgent", "normal", "bulk"]


@pytest.mark.parametrize(("size", "count"), [(MIB, 500), (32 * MIB, 16)])
def test_a_client_that_does_not_read_its_replies_costs_bounded_memory(
    broker: Broker, pool: Program, client: Client, size: int, count: int
) -> None:
    # 64 MiB or 64 messages in its socket, and limits::kMaxUnsentBytes (256 MiB) beyond; more is dropped.
    bound = (64 + 256) * MIB + 3 * size
    sanitized = b"__asan_init" in SAMOVARD.read_bytes()  # its allocator keeps what is freed
    before = resident_bytes(broker.pid)
    peak = 0
    slowest = 0.0
    began = time.monotonic()
    lazy = broker.client(options=LAZY)
    for asked in range(0, count, 4):
        lazy.begin_many("kitchen.zeros", 4, size, timeout=80)
        begun = time.monotonic()
        assert client.ok("samovar.ping") == "pong"
        slowest = max(slowest, time.monotonic() - begun)
        peak = max(peak, resident_bytes(broker.pid) - before)

    def all_have_ended() -> bool:
        # On a slow machine libzmq's heartbeats may cut off the lazy client before that: then they end with it.
        service = broker.service("kitchen")
        return service["queued"] + service["in_flight"] == 0

    wait_until(all_have_ended, "not all have ended", cap=75.0)
    peak = max(peak, resident_bytes(broker.pid) - before)
    print(f"peak {peak / MIB:.0f} MiB, slowest other call {slowest * 1000:.0f} ms")
    assert slowest < 5.0
    assert sanitized or peak < bound + 32 * MIB
    # Ten lines a second at most, the first and the last second counted as whole ones.
    assert 0 < len(broker.lines("does not read")) <= 10 * (time.monotonic() - began + 2)
    lazy.close()
    assert client.ok("kitchen.add", 1) == 2


def test_replies_that_were_dropped_for_a_client_that_does_not_read_are_counted(
    broker: Broker, pool: Program
) -> None:
    lazy = broker.client(options=LAZY)
    lazy.begin_many("kitchen.zeros", 400, MIB, timeout=80)
    wait_until(lambda: broker.lines("does not read"), "nothing was dropped")
    assert 0 < broker.counter("replies_dropped") < 400
