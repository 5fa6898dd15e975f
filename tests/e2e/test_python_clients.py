"""samovar.Client and samovar.aio.Client against a real broker: the same things, asked of both."""

import asyncio
import inspect
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import samovar
import samovar.aio
from e2e.keys import Keys
from e2e.processes import Broker, Program, Scene, wait_until
from e2e.raw import CAP_S


class Blocking:
    """samovar.aio.Client as if it were samovar.Client: an event loop in each call."""

    def __init__(self, endpoint: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = self.run(self._make(endpoint, options))

    @staticmethod
    async def _make(endpoint: str, options: dict[str, Any]) -> samovar.aio.Client:
        return samovar.aio.Client(endpoint, **options)

    def run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, CAP_S))

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.run(self._client.call(method, *args, **kwargs))

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self._client.request(*args, **kwargs))

    def options(self, **options: Any) -> "Blocking":
        other = object.__new__(Blocking)
        other._loop, other._client = self._loop, self._client.options(**options)
        return other

    def stream(self, method: str, *args: Any) -> Iterator[Any]:
        items = self._client.stream(method, *args)
        try:
            while True:
                try:
                    yield self.run(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self.run(items.aclose())  # type: ignore[attr-defined]

    def close(self) -> None:
        self.run(self._client.close())
        self._loop.close()


Make = Callable[..., Any]


@pytest.fixture(params=["threads", "asyncio"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    made: list[Any] = []

    def make_client(endpoint: str, **options: Any) -> Any:
        made.append(
            (samovar.Client if request.param == "threads" else Blocking)(endpoint, **options)
        )
        return made[-1]

    yield make_client
    for client in made:
        client.close()


@pytest.fixture
def client(make: Make, broker: Broker, pool: Program) -> Any:
    return make(broker.frontend, timeout=CAP_S)


def test_results_arguments_and_keywords(client: Any) -> None:
    assert client.call("kitchen.add", 1) == 2
    assert client.call("kitchen.add", 1, right=5) == 6
    value = [1, -(2**63), 2**64 - 1, 1.5, None, True, "茶", b"\0\xff", {"a": [1], 3: "x"}]
    assert client.call("kitchen.echo", *value) == [value, {}]


def test_errors_say_what_happened(client: Any, broker: Broker) -> None:
    with pytest.raises(samovar.Error) as raised:
        client.call("kitchen.fail", "no tea")
    error = raised.value
    assert (error.code, error.type, error.retryable) == ("app_error", "ValueError", False)
    assert "no tea" in error.message and "kitchen.py" in error.traceback
    assert (error.method, error.endpoint) == ("kitchen.fail", broker.frontend)
    with pytest.raises(samovar.Error, match="bad_request: .*has no method 'nothing'"):
        client.call("kitchen.nothing")
    with pytest.raises(samovar.Error) as raised:
        client.options(timeout=0.05).call("kitchen.nap", 0.4)
    assert (raised.value.code, raised.value.where) == ("deadline_exceeded", "running")


def test_metadata_and_attachments(client: Any) -> None:
    reply = client.options(metadata=True).request("kitchen.mirror", attachments=[b"tea", b""])
    assert reply.attachments == [b"", b"tea"] and reply.value == [3, 0]
    assert reply.attempt == 1 and reply.worker.startswith("kitchen/") and reply.queued >= 0
    assert client.request("kitchen.add", (1,)).worker is None


def test_arrays_go_and_come_as_arrays(make: Make, broker: Broker, scene: Scene) -> None:
    scene.pool(broker.backend, "--expose=numpy:sort")
    array = numpy.array([[3.0, 1.0, 2.0], [9.0, 8.0, 7.0]])
    back = make(broker.frontend, timeout=CAP_S).call("numpy.sort", array)
    assert numpy.array_equal(back, numpy.sort(array)) and back.dtype == array.dtype


def test_the_death_of_a_worker_is_heard_with_its_reason(client: Any) -> None:
    with pytest.raises(samovar.Error) as raised:
        client.call("kitchen.die", "SIGKILL")
    assert raised.value.code == "worker_lost" and not raised.value.retryable
    assert raised.value.signal == signal.SIGKILL


def test_streams_come_item_by_item_and_are_cancelled_when_left(
    make: Make, broker: Broker, scene: Scene
) -> None:
    scene.pool(broker.backend, "brook:service")
    client = make(broker.frontend, timeout=CAP_S)
    assert list(client.stream("brook.count", 100)) == list(range(100))
    items = client.stream("brook.count", 1_000_000)
    assert [next(items) for _ in range(40)] == list(range(40))
    items.close()
    wait_until(lambda: broker.status()["services"][0]["in_flight"] == 0, "it still runs")
    falling = client.stream("brook.fall", 3)
    assert [next(falling) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(samovar.Error, match="app_error"):
        next(falling)


def test_without_a_broker_it_says_so_at_the_deadline(make: Make, scene: Scene) -> None:
    with pytest.raises(samovar.Error, match="unavailable: no broker answers at ipc"):
        make(scene.ipc("nobody"), timeout=0.1).call("kitchen.add", 1)


def test_an_idempotent_call_outlives_its_broker(make: Make, scene: Scene) -> None:
    broker = scene.broker()
    scene.pool(broker.backend)
    client = make(broker.frontend, timeout=CAP_S)
    assert client.call("kitchen.add", 1) == 2
    broker.kill()
    with pytest.raises(samovar.Error) as raised:
        client.options(timeout=0.2).call("kitchen.add", 1)
    assert raised.value.code in ("unavailable", "broker_lost")  # before it was noticed, or after
    again = scene.broker(endpoints=(broker.frontend, broker.backend))
    assert client.options(idempotent=True).call("kitchen.add", 2) == 3
    assert again.is_running()


def test_with_keys(make: Make, keys: Keys, scene: Scene) -> None:
    broker = keys.broker()
    broker.pool()
    own = {"broker_key_file": str(scene.path("broker.pub")), "timeout": 20.0}
    billing = make(broker.program.frontend, key_file=str(scene.path("billing.key")), **own)
    assert billing.call("kitchen.add", 1) == 2
    stranger = make(broker.program.frontend, key_file=str(scene.path("stranger.key")), **own)
    began = time.monotonic()
    with pytest.raises(samovar.Error, match="unauthorized: .*does not know this key"):
        stranger.call("kitchen.add", 1)
    assert time.monotonic() - began < 10


def test_a_call_under_way_is_cancelled_when_its_client_closes(
    broker: Broker, pool: Program, scene: Scene
) -> None:
    client = samovar.Client(broker.frontend)
    held = client.begin("kitchen.hold", ("held", str(scene.path("gate"))))
    scene.wait_for_note("held")
    client.close()
    with pytest.raises(samovar.Error, match="cancelled"):
        held.result()
    wait_until(lambda: broker.status()["outcomes"]["cancelled"] == 1, "the broker was not told")
    scene.path("gate").touch()


@pytest.mark.parametrize("endpoint", ["nowhere", "tcp://", "tcp://127.0.0.1"])
def test_an_endpoint_that_is_none_is_named(make: Make, endpoint: str) -> None:
    with pytest.raises(ValueError, match=f"{endpoint!r} is no endpoint: write tcp://HOST:PORT or "):
        make(endpoint)


# --- threads ---------------------------------------------------------------------------------------------


@pytest.fixture
def blocking(broker: Broker, pool: Program) -> Iterator[samovar.Client]:
    with samovar.Client(broker.frontend, timeout=CAP_S, name="threads") as client:
        yield client


def test_methods_are_attributes(blocking: samovar.Client) -> None:
    assert blocking.kitchen.add(1, right=2) == 3
    assert blocking.options(timeout=5).kitchen.add(1) == 2
    assert blocking.samovar.ping() == "pong"
    assert not hasattr(blocking, "_nothing") and not inspect.isabstract(blocking)


def test_many_threads_share_one_client(blocking: samovar.Client) -> None:
    wrong: list[Any] = []

    def work(number: int) -> None:
        for i in range(200):
            if (got := blocking.kitchen.add(number * 1000 + i)) != number * 1000 + i + 1:
                wrong.append(got)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_slow_call_of_one_thread_holds_up_no_other(
    blocking: samovar.Client, scene: Scene, broker: Broker
) -> None:
    scene.pool(broker.backend)  # a second worker
    slow = threading.Thread(target=blocking.kitchen.hold, args=("held", str(scene.path("gate"))))
    slow.start()
    scene.wait_for_note("held")
    assert [blocking.kitchen.add(i) for i in range(50)] == list(range(1, 51))
    assert slow.is_alive()
    scene.path("gate").touch()
    slow.join(CAP_S)
    assert not slow.is_alive()


def test_many_calls_under_way_and_one_that_is_cancelled(blocking: samovar.Client) -> None:
    calls = [blocking.begin("kitchen.add", (number,)) for number in range(3000)]
    nap = blocking.begin("kitchen.nap", (0.2,))
    assert sum(call.result() for call in calls) == sum(range(1, 3001))
    nap.cancel()
    with pytest.raises(samovar.Error, match="cancelled"):
        nap.result()
    assert nap.done()


def test_a_closed_client_says_so_and_may_be_closed_again(blocking: samovar.Client) -> None:
    blocking.close()
    blocking.close()
    with pytest.raises(RuntimeError, match="closed"):
        blocking.kitchen.add(1)


def test_no_descriptor_and_no_thread_is_left(broker: Broker, pool: Program) -> None:
    def use() -> None:
        with samovar.Client(broker.frontend) as client:
            client.kitchen.add(1)

    use()
    before = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    for _ in range(5):
        use()
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() == threads


# --- asyncio ---------------------------------------------------------------------------------------------


def test_thousands_of_tasks_at_the_same_time(broker: Broker, pool: Program) -> None:
    async def run() -> list[Any]:
        async with samovar.aio.Client(broker.frontend, timeout=CAP_S) as client:
            return await asyncio.gather(*(client.kitchen.add(i) for i in range(3000)))

    assert asyncio.run(run()) == list(range(1, 3001))


def test_a_call_is_cancelled_with_its_task_and_with_its_client(
    broker: Broker, pool: Program, scene: Scene
) -> None:
    gate = str(scene.path("gate"))

    async def noted(text: str) -> None:
        while text not in scene.notes():
            await asyncio.sleep(0.005)

    async def run() -> None:
        async with samovar.aio.Client(broker.frontend) as client:
            first = asyncio.ensure_future(client.kitchen.hold("first", gate))
            second = asyncio.ensure_future(client.kitchen.hold("second", gate))
            await noted("first")
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            scene.path("gate").touch()
            await noted("second")
            assert await second == "second"
            third = asyncio.ensure_future(client.kitchen.nap(5))
            await asyncio.sleep(0)
        with pytest.raises(samovar.Error, match="cancelled"):
            await third

    asyncio.run(asyncio.wait_for(run(), CAP_S))
    wait_until(lambda: broker.status()["outcomes"]["cancelled"] >= 1, "the broker was not told")


def test_an_async_stream_is_flow_controlled(broker: Broker, scene: Scene) -> None:
    scene.pool(broker.backend, "brook:service")

    async def run() -> list[int]:
        async with samovar.aio.Client(broker.frontend, timeout=CAP_S) as client:
            return [item async for item in client.options(window=4).stream("brook.count", 50)]

    assert asyncio.run(run()) == list(range(50))
