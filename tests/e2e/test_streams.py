"""Streams through a real samovard: PROTOCOL.md 4.6, and CANCEL to workers, 4.4."""

import os
import signal
from typing import Any

import pytest

from e2e.processes import Broker, Scene, wait_until
from e2e.raw import CANCEL, IDEMPOTENT, PROTOCOL_ERROR, STREAM, WINDOW, Client, Item, Worker

METHODS = {"scan": {"stream": True}, "sum": {}, "slow": {"cancel": True}}
STREAMS: dict[str, Any] = {"methods": METHODS}


@pytest.fixture
def worker(broker: Broker) -> Worker:
    worker = broker.worker()
    worker.ready("tea", credit=8, concurrency=8, **STREAMS)
    return worker


def begin(
    client: Client, worker: Worker, *, window: int | None = None, **options: Any
) -> tuple[int, Item]:
    """A stream that its worker has."""
    ext = {"window": window} if window is not None else None
    flags = STREAM | int(options.pop("flags", 0))
    call = client.begin("tea.scan", flags=flags, ext=ext, **options)
    (item,) = worker.take()
    assert item.flags & STREAM
    return call, item


def test_items_come_in_order_and_then_the_end(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker)
    worker.item(item, 0, "a", {"b": [1]}, None)
    assert client.take_items(call, 3) == ["a", {"b": [1]}, None]
    worker.item(item, 3, "d")
    worker.reply(item, None)
    assert client.finish(call).word == "ok"
    assert client.items[call] == ["a", {"b": [1]}, None, "d"]


def test_a_stream_may_end_without_an_item(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker)
    worker.reply(item, None)
    assert client.finish(call).word == "ok"
    assert call not in client.items


def test_an_error_may_come_after_items(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker)
    worker.item(item, 0, 1)
    worker.reply(item, {"message": "no more", "type": "ValueError"}, status=1)
    outcome = client.finish(call)
    assert (outcome.word, outcome.message, client.items[call]) == ("app_error", "no more", [1])


def test_attachments_of_items_arrive(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker)
    worker.item(item, 0, "first", "second", attachments=[b"x" * 100_000, b""])
    client.take_items(call, 2)
    assert client.item_attachments[call] == [b"x" * 100_000, b""]
    worker.reply(item, None)
    client.finish(call)


def test_the_flag_must_fit_the_method(client: Client, worker: Worker) -> None:
    assert "call it as a stream" in client.call("tea.scan").message
    assert "without the flag" in client.call("tea.sum", flags=STREAM).message
    assert "without the flag" in client.call("samovar.ping", flags=STREAM).message
    assert worker.receive(0) is None


def test_those_who_wait_for_the_first_worker_learn_that_the_flag_does_not_fit(
    broker: Broker, client: Client
) -> None:
    calls = [client.begin("tea.scan"), client.begin("tea.sum", flags=STREAM)]
    worker = broker.worker()
    worker.ready("tea", **STREAMS)
    assert [each.word for each in client.finish_all(calls)] == ["bad_request"] * 2


def test_a_window_grows_as_its_reader_says(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker, window=2)
    assert item.ext == {"window": 2}
    worker.item(item, 0, 0, 1)
    client.take_items(call, 2)
    client.widen(call, 5)
    assert worker.expect(WINDOW).rest == [item.id, 5]
    client.widen(call, 4)  # less than before: nothing
    client.widen(call, 6)
    assert worker.expect(WINDOW).rest == [item.id, 6]
    worker.item(item, 2, 2, 3, 4, 5)
    worker.reply(item, None)
    assert client.finish(call).word == "ok"
    assert client.items[call] == [0, 1, 2, 3, 4, 5]


def test_a_window_that_was_said_while_the_request_was_queued_reaches_the_worker(
    broker: Broker, client: Client
) -> None:
    worker = broker.worker()
    worker.ready("tea", **STREAMS)
    _, blocker = begin(client, worker)
    call = client.begin("tea.scan", flags=STREAM)
    client.widen(call, 99)
    client.ok("samovar.ping")
    worker.reply(blocker, None)
    (item,) = worker.take()
    assert worker.expect(WINDOW).rest == [item.id, 99]


@pytest.mark.parametrize("seq", [1, 7])
def test_a_gap_ends_the_stream_as_internal(client: Client, worker: Worker, seq: int) -> None:
    call, item = begin(client, worker)
    worker.item(item, seq, "x")
    assert client.finish(call).word == "internal"
    assert worker.expect(CANCEL).rest == [item.id]


def test_items_beyond_the_window_end_the_stream_as_internal(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker, window=2)
    worker.item(item, 0, 0, 1, 2)
    outcome = client.finish(call)
    assert outcome.word == "internal" and "more items" in outcome.message
    assert client.items[call] == [0, 1]


def test_a_reader_that_takes_nothing_loses_its_stream(scene: Scene) -> None:
    broker = scene.broker(config="[deadlines]\nstream_idle_ms = 100\n")
    client, worker = broker.client(), broker.worker()
    worker.ready("tea", **STREAMS)
    call, item = begin(client, worker, window=1)
    worker.item(item, 0, "only")
    outcome = client.finish(call)
    assert outcome.word == "deadline_exceeded"
    assert outcome.value["where"] == "client"
    assert worker.expect(CANCEL).rest == [item.id]
    worker.reply(item, {"message": "stopped"}, status=8)
    assert client.call("samovar.ping").word == "ok"


def test_a_cancelled_stream_tells_its_worker(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker)
    worker.item(item, 0, 0)
    client.take_items(call, 1)
    client.send(CANCEL, call)
    assert client.finish(call).word == "cancelled"
    assert worker.expect(CANCEL).rest == [item.id]
    worker.item(item, 1, 1)  # was on its way: nobody hears it
    worker.reply(item, {"message": "stopped"}, status=8)
    assert client.ok("samovar.ping") == "pong"


def test_a_deadline_holds_for_the_whole_stream(client: Client, worker: Worker) -> None:
    call, item = begin(client, worker, timeout=0.2)
    worker.item(item, 0, 0)
    outcome = client.finish(call)
    assert (outcome.word, outcome.value["where"]) == ("deadline_exceeded", "running")
    assert worker.expect(CANCEL).rest == [item.id]


def test_a_client_that_is_gone_cancels_its_streams(
    broker: Broker, client: Client, worker: Worker
) -> None:
    reader = broker.client()
    _, item = begin(reader, worker)
    reader.close()
    assert worker.expect(CANCEL).rest == [item.id]


def test_a_method_that_takes_cancel_is_told_and_another_is_not(
    client: Client, worker: Worker
) -> None:
    calls = [client.begin("tea.sum"), client.begin("tea.slow")]
    items = worker.take()
    while len(items) < 2:
        items += worker.take()
    client.send(CANCEL, *calls)
    client.finish_all(calls)
    slow = next(item for item in items if item.method == "tea.slow")
    assert worker.expect(CANCEL).rest == [slow.id]
    assert worker.receive(0) is None


def test_a_stream_is_not_retried_once_an_item_has_come(
    broker: Broker, client: Client, worker: Worker
) -> None:
    call, item = begin(client, worker, flags=IDEMPOTENT)
    worker.item(item, 0, 0)
    client.take_items(call, 1)
    other = broker.worker()
    other.ready("tea", **STREAMS)
    worker.close()
    assert client.finish(call).word == "worker_lost"
    assert other.receive(0) is None


def test_a_stream_without_an_item_is_retried_where_it_is_idempotent(
    broker: Broker, client: Client, worker: Worker
) -> None:
    for _ in range(20):  # the retry budget is a share of recent requests
        quick = client.begin("tea.sum")
        (item,) = worker.take()
        worker.reply(item, 0)
        client.finish(quick)
    call, _ = begin(client, worker, flags=IDEMPOTENT)
    worker.close()
    other = broker.worker()
    other.ready("tea", **STREAMS)
    (item,) = other.take()
    other.item(item, 0, "again")
    other.reply(item, None)
    assert client.finish(call).word == "ok"
    assert client.items[call] == ["again"]


def test_streams_under_way_may_finish_while_the_broker_drains(
    broker: Broker, client: Client, worker: Worker
) -> None:
    call, item = begin(client, worker, window=1)
    worker.item(item, 0, 0)
    client.take_items(call, 1)
    os.kill(broker.pid, signal.SIGTERM)
    wait_until(lambda: client.call("samovar.ping").word != "ok" or client.others, "no DRAIN came")
    client.widen(call, 3)
    assert worker.expect(WINDOW).rest == [item.id, 3]
    worker.item(item, 1, 1, 2)
    worker.reply(item, None)
    assert client.finish(call).word == "ok"
    assert client.items[call] == [0, 1, 2]
    assert broker.exit_code() == 0


def test_a_stream_counts_as_outstanding_until_its_end(scene: Scene) -> None:
    broker = scene.broker(config="[limits]\nmax_outstanding_per_client = 1\n")
    client, worker = broker.client(), broker.worker()
    worker.ready("tea", credit=8, concurrency=8, **STREAMS)
    call, item = begin(client, worker)
    worker.item(item, 0, 0)
    client.take_items(call, 1)
    assert client.call("tea.sum").word == "overloaded"
    worker.reply(item, None)
    assert client.finish(call).word == "ok"


def test_items_and_windows_from_the_wrong_side_are_refused(client: Client, worker: Worker) -> None:
    worker.send(WINDOW, 1, 2)
    assert "no place here" in worker.expect(PROTOCOL_ERROR).rest[0]["message"]
    client.send(13, 1, 1, 0, "x", None)
    assert "no place here" in client.expect(PROTOCOL_ERROR).rest[0]["message"]


def test_a_slow_client_does_not_hold_up_the_streams_of_another(
    broker: Broker, client: Client, worker: Worker
) -> None:
    reader = broker.client()
    _, held = begin(reader, worker, window=1024)
    call, item = begin(client, worker, window=1024)
    for seq in range(1000):
        worker.item(held, seq, "x" * 1000)  # nobody reads them
        worker.item(item, seq, seq)
    worker.reply(item, None)
    assert client.finish(call).word == "ok"
    assert client.items[call] == list(range(1000))
