"""Brokers that die and come back, and those that come late: everybody finds the new one by himself."""

import signal
import time

import pytest

from e2e.processes import Broker, Scene, wait_until
from e2e.raw import HELLO, REGISTER_AGAIN, REQUEST, Client


def pump_until_registered(client: Client, cap: float = 30.0) -> None:
    end = time.monotonic() + cap
    while not client.epoch:
        left = end - time.monotonic()
        assert left > 0, f"the client did not register again within {cap} s"
        client.pump(left)


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_after_kill_9_of_the_broker_under_load_workers_and_clients_go_on_with_the_next(
    scene: Scene, transport: str
) -> None:
    broker = scene.broker(transport=transport)
    scene.pool(broker.backend, "kitchen:service", 2)
    pids = {worker["pid"] for worker in broker.wait_for_workers("kitchen", 2)}
    client = broker.client(watched=True)
    ids = client.begin_many("kitchen.nap", 3000, 0.001)
    client.finish_all(ids[:20])
    killed_at = time.monotonic()
    broker.kill()
    while not client.breaks:
        assert client.pump(30.0)
    print(f"{transport}: broker_lost {(time.monotonic() - killed_at) * 1000:.1f} ms after kill -9")
    assert time.monotonic() - killed_at < 1.0
    words = [outcome.word for outcome in client.finish_all(ids)]
    assert set(words) == {"ok", "broker_lost"}, "each has one outcome, and it is one of these"

    again = scene.broker(endpoints=(broker.frontend, broker.backend))
    pump_until_registered(client)
    workers = again.wait_for_workers("kitchen", 2)
    assert {worker["pid"] for worker in workers} == pids, "the same processes, not new ones"
    answers = client.finish_all(client.begin_many("kitchen.echo", 500, "tea"))
    assert {(answer.word, answer.value) for answer in answers} == {("ok", "tea")}
    wait_until(lambda: again.status()["broker"]["supervisors"] == 1, "the supervisor is back")
    assert again.status()["counters"]["protocol_errors"] == 0


def test_a_worker_that_is_busy_while_the_broker_restarts_sends_no_stale_reply(scene: Scene) -> None:
    broker = scene.broker()
    scene.pool(broker.backend)
    gate = scene.path("gate")
    first = broker.client(watched=True)
    first.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    broker.kill()
    again = scene.broker(endpoints=(broker.frontend, broker.backend))
    client = again.client()
    pending = client.begin("kitchen.record", "after")
    gate.touch()
    assert client.finish(pending).word == "ok"
    assert scene.notes() == ["held", "after"]
    counters = again.status()["counters"]
    assert (counters["late_replies"], counters["stale_epochs"]) == (0, 0)


def test_a_broker_that_stops_and_comes_back_finds_its_workers(scene: Scene, broker: Broker) -> None:
    scene.pool(broker.backend)
    pid = broker.client().ok("kitchen.pid")
    for _ in range(2):
        broker.signal(signal.SIGTERM)
        assert broker.exit_code() == 0
        broker = scene.broker()
        assert broker.client().ok("kitchen.pid") == pid


def test_a_worker_that_was_started_before_its_broker_registers_when_that_comes(
    scene: Scene,
) -> None:
    pool = scene.pool(scene.ipc("back"), wait=False)
    pool.wait_for_line("the kitchen is open")
    broker = scene.broker()
    pool.wait_for_line(r"^samovar-worker: kitchen ready \(1 worker, ")
    assert broker.client().ok("kitchen.add", 1) == 2


def test_a_request_of_an_earlier_session_is_answered_with_register_again(broker: Broker) -> None:
    client = broker.client()
    client.send(REQUEST, 0, 1, 1, 0, 0, "samovar.ping", [], None, None, epoch=client.epoch - 1)
    assert client.expect(REGISTER_AGAIN).epoch == 0
    before = client.epoch
    client.hello()
    assert client.epoch > before
    assert client.ok("samovar.ping") == "pong"
    assert broker.counter("stale_epochs") == 1


def test_a_hello_in_the_middle_of_calls_ends_the_old_session_only(
    scene: Scene, broker: Broker
) -> None:
    scene.pool(broker.backend)
    client = broker.client()
    gate = scene.path("gate")
    client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    answer = client.hello()
    assert answer["nonce"] and not [other for other in client.others if other.kind == HELLO]
    client.outstanding.clear()  # they were of the old session; a reply would fail the next call
    gate.touch()
    assert client.ok("kitchen.add", 1) == 2
    assert broker.counter("client_gone") == 1
