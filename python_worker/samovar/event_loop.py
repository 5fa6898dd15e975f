"""An asyncio event loop that lets a worker take its turn whenever it would wait."""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

# Takes how long it may wait in seconds (None: as long as it likes) and a descriptor that ends the wait.
Turn = Callable[[float | None, int], None]


class _TurningSelector(selectors.EpollSelector):
    """Waits by way of the worker: it polls the descriptor of this selector beside its own sockets.

    So one thread has one place where it waits. What a turn schedules runs right after it.
    """

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self._turn = turn

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._turn(None if timeout is None else max(0.0, timeout), self.fileno())
        return super().select(0)


def new_event_loop(turn: Turn) -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(_TurningSelector(turn))


def finish(loop: asyncio.AbstractEventLoop, tasks: set["asyncio.Task[Any]"]) -> None:
    """Ends a loop that has stopped: cancels these tasks, closes what is open."""
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
