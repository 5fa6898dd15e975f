"""Streams from a handler's yield to the C++ client's loop: real workers, the real command line."""

import json
import os
import signal

import pytest

from e2e.processes import Broker, Program, Scene, wait_until
from e2e.raw import CANCEL, STREAM, Client, Outcome


@pytest.fixture
def brook(scene: Scene, broker: Broker) -> Program:
    return scene.pool(broker.backend, "brook:service")


def stream(client: Client, method: str, *args: object, window: int = 16, **options: float) -> int:
    return client.begin(method, *args, flags=STREAM, ext={"window": window}, **options)  # type: ignore[arg-type]


def read_all(client: Client, id_: int) -> tuple[list[object], Outcome]:
    """Takes items as they come, and lets as many again come, until the end."""
    taken = 0
    while id_ not in client.outcomes:
        assert client.pump(30)
        items = client.items.get(id_, [])
        if len(items) > taken and id_ not in client.outcomes:
            taken = len(items)
            client.widen(id_, taken + 16)
    return client.items.get(id_, []), client.outcomes[id_]


@pytest.mark.parametrize("method", ["brook.count", "brook.acount"])
def test_every_item_comes_once_in_order(brook: Program, client: Client, method: str) -> None:
    items, outcome = read_all(client, stream(client, method, 1000))
    assert items == list(range(1000))
    assert (outcome.word, outcome.value) == ("ok", None)


def test_the_command_line_prints_items_as_lines(
    scene: Scene, broker: Broker, brook: Program
) -> None:
    ran = scene.samovar(broker, "call", "--stream", "brook.count", 100)
    assert ran.returncode == 0, ran.stderr
    assert [json.loads(line) for line in ran.stdout.splitlines()] == list(range(100))
    failed = scene.samovar(broker, "call", "--stream", "brook.fall", 3)
    assert failed.stdout.splitlines() == ["0", "1", "2"]
    assert failed.returncode != 0
    assert "the brook has run dry" in failed.stderr


def test_a_call_and_a_stream_are_told_apart(brook: Program, client: Client) -> None:
    called = client.call("brook.count", 3)
    assert called.word == "bad_request"
    assert "stream" in called.message
    streamed = client.finish(stream(client, "brook.add", 1, 2))
    assert streamed.word == "bad_request"


def test_a_handler_is_no_further_ahead_than_the_window(
    scene: Scene, brook: Program, client: Client
) -> None:
    id_ = stream(client, "brook.count", 1000, window=4)
    wait_until(
        lambda: client.pump(0.01) and len(client.items.get(id_, [])) == 4, "no four items came"
    )
    # Others are served meanwhile, and nothing more has been made.
    assert client.ok("brook.add", 1, 2) == 3
    assert scene.notes() == [f"item {number}" for number in range(len(scene.notes()))]
    assert len(scene.notes()) <= 5
    client.widen(id_, 6)
    wait_until(
        lambda: client.pump(0.01) and len(client.items.get(id_, [])) == 6, "no two more came"
    )


def test_an_error_in_mid_stream_follows_its_items(brook: Program, client: Client) -> None:
    items, outcome = read_all(client, stream(client, "brook.fall", 5))
    assert items == list(range(5))
    assert (outcome.word, outcome.value["type"]) == ("app_error", "ValueError")


def test_a_reader_that_cancels_closes_the_generator(
    scene: Scene, broker: Broker, brook: Program, client: Client
) -> None:
    id_ = stream(client, "brook.count", 1000, window=2)
    wait_until(lambda: client.pump(0.01) and len(client.items.get(id_, [])) == 2, "no items came")
    client.send(CANCEL, id_)
    assert client.finish(id_).word == "cancelled"
    scene.wait_for_note("closed")
    wait_until(lambda: broker.service("brook")["in_flight"] == 0, "the worker kept it")


def test_a_reader_that_dies_closes_the_generator(
    scene: Scene, broker: Broker, brook: Program
) -> None:
    reader = broker.client()
    stream(reader, "brook.count", 1000, window=2)
    scene.wait_for_note("item 1")
    reader.close()
    scene.wait_for_note("closed")
    wait_until(lambda: broker.service("brook")["in_flight"] == 0, "the worker kept it")


def test_a_reader_that_sleeps_loses_its_stream(scene: Scene) -> None:
    broker = scene.broker(config="[deadlines]\nstream_idle_ms = 100\n")
    scene.pool(broker.backend, "brook:service")
    client = broker.client()
    outcome = client.finish(stream(client, "brook.count", 1000, window=2))
    assert outcome.word == "deadline_exceeded"
    assert "took no item" in outcome.message
    scene.wait_for_note("closed")


def test_a_deadline_ends_a_stream(scene: Scene, broker: Broker, brook: Program) -> None:
    client = broker.client()
    outcome = client.finish(stream(client, "brook.count", 1000, window=2, timeout=0.2))
    assert outcome.word == "deadline_exceeded"
    scene.wait_for_note("closed")


def test_a_worker_that_dies_in_mid_stream_is_lost_and_not_retried(
    scene: Scene, broker: Broker, brook: Program, client: Client
) -> None:
    id_ = stream(client, "brook.stall")
    wait_until(lambda: client.pump(0.01) and len(client.items.get(id_, [])) == 1, "no item came")
    os.kill(broker.ready_workers("brook")[0]["pid"], signal.SIGKILL)
    assert client.finish(id_).word == "worker_lost"


def test_large_items_pass(brook: Program, client: Client) -> None:
    items, outcome = read_all(client, stream(client, "brook.chunks", 4 << 20, 8))
    assert [len(item) for item in items] == [4 << 20] * 8  # type: ignore[arg-type]
    assert outcome.word == "ok"


def test_many_streams_share_a_worker(brook: Program, client: Client) -> None:
    ids = [stream(client, "brook.count", 50, window=1024) for _ in range(50)]
    client.finish_all(ids)
    assert all(client.items[id_] == list(range(50)) for id_ in ids)
