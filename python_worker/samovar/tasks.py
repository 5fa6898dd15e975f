"""Async handlers and async generators: tasks of the worker's event loop."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from samovar import attached, wire
from samovar.call import Call
from samovar.explain import Failure
from samovar.running import clock

log = logging.getLogger("samovar")

# An async generator that never waits lets others run after this long.
_LONGEST_TURN_NS = 500_000


class Tasks:
    """Starts, stops and feeds tasks. Everything happens in the loop's thread.

    `finish` takes a call, its status and its value; `failed` explains an exception.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Call, int, Any], None],
        failed: Callable[[BaseException, Call], Failure],
    ) -> None:
        self._loop = loop
        self._finish = finish
        self._failed = failed
        self._tasks: dict[Call, asyncio.Task[None]] = {}
        self._readers: dict[Call, asyncio.Future[None]] = {}  # streams that rest
        self.all: set[asyncio.Task[Any]] = set()  # also those whose calls nobody waits for

    def start(self, call: Call, args: tuple[Any, ...]) -> None:
        run = self._stream if call.method.kind.streams else self._run
        task = self._spawn(run(call, args))
        self._tasks[call] = task
        task.add_done_callback(lambda _: self._ended(call))

    def start_work(self, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]) -> None:
        """Runs a coroutine that does not raise, and gives its result to done()."""

        async def run() -> None:
            done(await work)

        self._spawn(run())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self.all.add(task)
        task.add_done_callback(self.all.discard)
        return task

    def stop(self, call: Call) -> None:
        """Its task is cancelled, and ends the call when it has ended."""
        self._tasks[call].cancel()

    def widen(self, call: Call) -> None:
        """Its window has grown."""
        reader = self._readers.pop(call, None)
        if reader is not None and not reader.done():
            reader.set_result(None)

    def _ended(self, call: Call) -> None:
        if self._tasks.pop(call, None) is not None:  # cancelled before it began
            self._finish(call, wire.OK, None)

    def _end(self, call: Call, status: int, value: Any) -> None:
        if self._tasks.pop(call, None) is not None:
            self._finish(call, status, value)

    async def _run(self, call: Call, args: tuple[Any, ...]) -> None:
        attached.set_own(call.frames, call.id)
        status = wire.OK
        try:
            value = await call.method.function(*args, **(call.kwargs or {}))
        except BaseException as error:  # SystemExit, too, is an answer and not an exit
            status, value = self._failed(error, call)
        self._end(call, status, value)

    async def _stream(self, call: Call, args: tuple[Any, ...]) -> None:
        attached.set_own(call.frames, call.id)
        outcome: tuple[int, Any] | None = None
        generator = None
        seq = 0
        try:
            generator = call.method.function(*args, **(call.kwargs or {}))
            turn_ends = clock() + _LONGEST_TURN_NS
            async for value in generator:
                outcome = call.link.outbox.item(call, seq, value)
                if outcome is not None:
                    break
                seq += 1
                if seq >= call.window:
                    await self._rest(call, seq)
                    turn_ends = clock() + _LONGEST_TURN_NS
                elif clock() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = clock() + _LONGEST_TURN_NS
        except BaseException as error:
            outcome = self._failed(error, call)
        if generator is not None:
            try:
                await generator.aclose()
            except BaseException as error:
                log.error("%s: closing its generator raised %r", call.name, error)
        self._end(call, *(outcome or (wire.OK, None)))

    async def _rest(self, call: Call, seq: int) -> None:
        """Until the reader takes more than `seq` items."""
        call.link.running.suspend(call, clock())
        try:
            while seq >= call.window:
                reader = self._loop.create_future()
                self._readers[call] = reader
                await reader
        finally:
            self._readers.pop(call, None)
            call.link.running.resume(call, clock())
