"""Every kind of handler behind a real broker: the examples of docs/handlers.md, and what happens when they end badly."""

import hashlib
import os
import signal
import time
from typing import Any

import msgpack
import pytest

from e2e.processes import ROOT, SAMOVAR_WORKER, Broker, Program, Scene
from e2e.raw import Client, Outcome, words

numpy = pytest.importorskip("numpy")


@pytest.fixture
def handlers(scene: Scene, broker: Broker) -> Program:
    """One worker of examples/handlers.py."""
    command = [SAMOVAR_WORKER, "examples.handlers:service", "--connect", broker.backend]
    pool = scene.run(*command, cwd=ROOT, name="samovar-worker")
    pool.wait_for_line("handlers ready")
    return pool


def array(index: int, values: Any) -> msgpack.ExtType:
    described = [index, values.dtype.str, list(values.shape)]
    return msgpack.ExtType(1, msgpack.packb(described))


def array_of(outcome: Outcome) -> Any:
    index, dtype, shape = msgpack.unpackb(outcome.value.data)
    return numpy.frombuffer(outcome.attachments[index], dtype).reshape(shape)


def test_a_plain_function_uses_what_was_loaded(handlers: Program, client: Client) -> None:
    assert client.ok("handlers.price", "tea") == 3
    assert client.ok("handlers.price", "water") is None


def test_async_handlers_overlap(handlers: Program, client: Client) -> None:
    began = time.monotonic()
    ids = client.begin_many("handlers.later", 20, 0.5)
    assert {outcome.value for outcome in client.finish_all(ids)} == {"after 0.5 s"}
    assert time.monotonic() - began < 5  # one after the other: 10 s


def test_functions_in_threads(handlers: Program, client: Client) -> None:
    ids = [client.begin("handlers.digest", bytes([n])) for n in range(8)]
    expected = [hashlib.sha256(bytes([n])).hexdigest() for n in range(8)]
    assert [outcome.value for outcome in client.finish_all(ids)] == expected


def test_a_context_is_not_an_argument(handlers: Program, client: Client) -> None:
    assert client.ok("handlers.search", ["a", "b"], "b") == 1
    handlers.wait_for_line(r"handlers\.search request \d+: 0 of 2, a")
    refused = client.call("handlers.search")
    assert refused.word == "bad_request" and "(words: list[str], wanted: str)" in refused.message


def test_each_member_of_a_batch_has_its_own_outcome(handlers: Program, client: Client) -> None:
    ids = [client.begin("handlers.length", "x" * n) for n in range(100)]
    wrong = client.begin("handlers.length", 5)
    assert [outcome.value for outcome in client.finish_all(ids)] == list(range(100))
    assert client.finish(wrong).message == "handlers.length raised TypeError: not a text"


def test_arrays_go_and_come(handlers: Program, client: Client) -> None:
    values = numpy.arange(12.0).reshape(3, 4)
    outcome = client.call("handlers.scaled", array(0, values), 2.0, attachments=[values.tobytes()])
    assert outcome.word == "ok" and (array_of(outcome) == values * 2).all()


@pytest.mark.slow  # where fresh memory is slow, a buffer of 64 MiB takes seconds
@pytest.mark.timeout(300)
def test_64_mebibytes_go_through_a_real_broker(handlers: Program, client: Client) -> None:
    values = numpy.zeros(8 << 20)
    values[-1] = 1.5
    outcome = client.call(
        "handlers.scaled", array(0, values), 2.0, attachments=[values.tobytes()], timeout=120.0
    )
    assert outcome.word == "ok" and array_of(outcome)[-1] == 3.0
    data = bytes(64 << 20)
    assert client.ok("handlers.digest", data, timeout=120.0) == hashlib.sha256(data).hexdigest()


def test_each_kind_ends_once_when_its_worker_is_killed(
    handlers: Program, broker: Broker, client: Client
) -> None:
    ids = [client.begin("handlers.later", 60.0) for _ in range(3)]
    ids.append(client.begin("handlers.digest", b"x", 10**9))
    [worker] = broker.wait_for_workers("handlers", 1)
    assert client.ok("handlers.price", "tea") == 3  # begins behind them
    os.kill(int(worker["pid"]), signal.SIGKILL)
    assert words(client.finish_all(ids)) == {"worker_lost"}
    assert client.ok("handlers.price", "tea") == 3


def test_sigterm_lets_async_calls_finish(handlers: Program, broker: Broker, client: Client) -> None:
    ids = [client.begin("handlers.later", 0.5) for _ in range(5)]
    assert client.ok("handlers.price", "tea") == 3
    handlers.signal(signal.SIGTERM)
    assert words(client.finish_all(ids)) == {"ok"}
    assert handlers.exit_code() == 0
