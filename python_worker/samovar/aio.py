"""Calls from asyncio.

    async with samovar.aio.Client() as client:
        print(await client.ipgeo.country("1.0.1.0"))
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import zmq

from samovar.outgoing import Call, Options, Reply, new_call
from samovar.caller import Caller, brokers, checked_age, key_files
from samovar.channel import Channel
from samovar.channels import Channels
from samovar.keys import read_keys


class Client(Caller[Coroutine[Any, Any, Any]]):
    """Calls methods of services, from the tasks of one event loop. Arguments as samovar.Client's.

    To be made while the loop runs. Calls that are begun in one turn of the loop leave in one message. A task that is
    cancelled cancels its call.
    """

    def __init__(
        self,
        endpoint: str | Sequence[str] | None = None,
        *,
        timeout: float | None = None,
        name: str = "",
        key_file: str | None = None,
        broker_key_file: str | None = None,
        max_connection_age: float | None = None,
    ) -> None:
        self._options = Options(timeout=timeout)
        keys = read_keys(key_files(key_file, broker_key_file))
        age = checked_age(max_connection_age)
        self._shared = _Shared(brokers(endpoint), name, keys, age)

    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """The result. Raises samovar.Error when there is none."""
        return (await self.request(method, args, kwargs)).value

    async def request(
        self, method: str, args: Any = (), kwargs: Any = None, attachments: Any = ()
    ) -> Reply:
        """Like call(), with buffers beside the arguments, and with what came beside the result."""
        shared = self._shared
        call = new_call(shared.endpoint, method, args, kwargs or {}, self._options, attachments)
        shared.submit(call)
        await shared.wait(call)
        return call.result()

    async def stream(self, method: str, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """The items of a method that streams, as they come. Ending the iteration early (aclose) cancels the handler."""
        shared = self._shared
        call = new_call(shared.endpoint, method, args, kwargs, self._options, is_stream=True)
        shared.submit(call)
        taken = 0
        try:
            while True:
                while not call.items and not call.done:
                    await shared.wait(call)
                if not call.items:
                    call.result()
                    return
                taken += 1
                item = call.items.popleft()
                shared.taken(call, taken)
                yield item
        finally:
            shared.cancel(call)

    async def close(self) -> None:
        """Ends all calls as cancelled. May be called twice."""
        self._shared.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Shared:
    """The channels in an event loop."""

    def __init__(
        self, pieces: tuple[str, ...], name: str, keys: Any, max_age: float | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[Any] = zmq.Context()
        self._waiting: dict[Call, asyncio.Future[None]] = {}
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._closed = False
        try:
            self._channels = Channels(
                self._context,
                pieces,
                name,
                keys,
                max_age,
                wake=self._wake_from_outside,
                on_open=self._watch,
                on_close=self._unwatch,
            )
        except BaseException:
            self._closed = True
            self._context.destroy(linger=0)
            raise
        self.endpoint = self._channels.calls.endpoint
        self._turn_soon()

    def _watch(self, channel: Channel) -> None:
        for source in channel.sources:
            self._loop.add_reader(source.getsockopt(zmq.FD), self._turn)

    def _unwatch(self, channel: Channel) -> None:
        for source in channel.sources:
            self._loop.remove_reader(source.getsockopt(zmq.FD))

    def _wake_from_outside(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._turn)

    def submit(self, call: Call) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")
        self._channels.calls.submit(call, time.monotonic())
        self._turn_soon()

    def cancel(self, call: Call) -> None:
        if not self._closed and not call.done:
            self._channels.calls.cancel(call)
            self._turn_soon()

    def taken(self, call: Call, count: int) -> None:
        if not self._closed:
            self._channels.calls.taken(call, count)
            self._turn_soon()

    async def wait(self, call: Call) -> None:
        """Until it has ended or has items."""
        if call.done or call.items:
            return
        future = self._loop.create_future()
        self._waiting[call] = future
        try:
            await future
        except asyncio.CancelledError:
            self.cancel(call)
            raise
        finally:
            self._waiting.pop(call, None)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()
        self._channels.close()
        self._wake()
        self._context.term()

    def _turn_soon(self) -> None:
        if self._soon is None:
            self._soon = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if self._closed:
            return
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._channels.turn()
        while self._channels.has_input():  # a send may have taken the signal of what has come
            self._channels.turn()
        self._wake()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        wait = self._channels.seconds_to_wait()
        if wait is not None:
            self._later = self._loop.call_later(wait, self._turn)

    def _wake(self) -> None:
        news = self._channels.calls.news
        for call in news:
            future = self._waiting.get(call)
            if future is not None and not future.done():
                future.set_result(None)
        news.clear()
