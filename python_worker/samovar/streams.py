"""Plain generators: each takes its turn for one item, and rests while its reader has not asked for more."""

import logging
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from samovar import attached, wire
from samovar.call import Call
from samovar.explain import Failure
from samovar.running import clock

log = logging.getLogger("samovar")


@dataclass(slots=True, eq=False)
class Stream:
    """A generator that has been called. `seq` is the number of its next item."""

    call: Call
    generator: Generator[Any, Any, Any]
    seq: int = 0
    rests: bool = False


class Streams:
    """Runs in the worker's loop: while one generator works, the others wait. Not thread-safe.

    `finish` takes a call, its status and its value; `failed` explains an exception.
    """

    def __init__(
        self,
        finish: Callable[[Call, int, Any], None],
        failed: Callable[[BaseException, Call], Failure],
    ) -> None:
        self._finish = finish
        self._failed = failed
        self._streams: dict[Call, Stream] = {}
        self._ready: deque[Stream] = deque()

    @property
    def busy(self) -> bool:
        """Whether step() has something to do."""
        return bool(self._ready)

    def start(self, call: Call, args: tuple[Any, ...]) -> None:
        try:
            stream = Stream(call, call.method.function(*args, **(call.kwargs or {})))
        except BaseException as error:  # as a rule, arguments that do not fit
            self._finish(call, *self._failed(error, call))
            return
        self._streams[call] = stream
        call.link.running.suspend(call, clock())
        self._ready.append(stream)

    def step(self) -> None:
        """One item of each stream whose reader waits for one; what is ready is sent before the next round."""
        for _ in range(len(self._ready)):
            stream = self._ready.popleft()
            if stream.call in self._streams:
                self._advance(stream)

    def _advance(self, stream: Stream) -> None:
        call = stream.call
        call.link.running.resume(call, clock())
        attached.set_running(call.frames, call.id)
        outcome: tuple[int, Any] | None = None
        try:
            value = next(stream.generator)
        except StopIteration:
            outcome = wire.OK, None
        except BaseException as error:  # SystemExit, too, is an answer and not an exit
            outcome = self._failed(error, call)
        else:
            outcome = call.link.outbox.item(call, stream.seq, value)
            if outcome is not None:
                self._close(stream)
        attached.set_running([])
        if outcome is not None:
            self._end(stream, outcome)
            return
        call.link.running.suspend(call, clock())
        stream.seq += 1
        if stream.seq < call.window:
            self._ready.append(stream)
        else:
            stream.rests = True

    def widen(self, call: Call) -> None:
        """Its window has grown."""
        stream = self._streams.get(call)
        if stream is not None and stream.rests and stream.seq < call.window:
            stream.rests = False
            self._ready.append(stream)

    def stop(self, call: Call, outcome: Failure) -> None:
        """Closes the generator, whose finally blocks run, and ends the call."""
        stream = self._streams[call]
        call.link.running.resume(call, clock())
        attached.set_running(call.frames, call.id)
        self._close(stream)
        attached.set_running([])
        self._end(stream, outcome)

    def _end(self, stream: Stream, outcome: tuple[int, Any]) -> None:
        if self._streams.pop(stream.call, None) is not None:  # else the session has ended meanwhile
            self._finish(stream.call, *outcome)

    def _close(self, stream: Stream) -> None:
        try:
            stream.generator.close()
        except BaseException as error:
            log.error("%s: closing its generator raised %r", stream.call.name, error)
