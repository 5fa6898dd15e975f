"""The calls of one broker that a worker has begun and not ended, their time limits, and what the board says of them."""

import heapq
import itertools
import time
from typing import Any

from samovar.board import DUE_ID, HARD_MS, LAST_STARTED, STARTED_NS, Words
from samovar.call import Call
from samovar.explain import Stop

_NEVER = 1 << 62
_MS = 1_000_000


class Running:
    """Begun calls. Their session on the board shows the one whose hard limit comes first: of those in a turn, not of waiting streams.

    `pool_hard_ms` is the limit of methods that have none of their own; 0: none. Not thread-safe.
    """

    def __init__(self, session: Words, pool_hard_ms: int) -> None:
        self._board = session
        self._pool_hard_ms = pool_hard_ms
        self._calls: set[Call] = set()
        self._serial = itertools.count()  # so that heaps never compare calls
        self._limits: list[tuple[int, int, int, Call]] = []  # heap: limit, serial, started, call
        self._ends: list[tuple[int, int, Stop, Call]] = []  # heap: when to stop which call
        self._shown: tuple[Call | None, int] = (None, 0)

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Any:
        return iter(list(self._calls))

    def add(self, call: Call) -> None:
        """It begins; resume() says when it runs."""
        self._calls.add(call)
        self._board[LAST_STARTED] = call.id

    def resume(self, call: Call, now_ns: int) -> None:
        """It begins a turn."""
        call.started_ns = now_ns
        hard_ms = call.method.hard_ms or self._pool_hard_ms
        limit = now_ns + hard_ms * _MS if hard_ms else _NEVER + now_ns
        heapq.heappush(self._limits, (limit, next(self._serial), now_ns, call))
        if self._limits[0][3] is call or self._shown[0] is None:
            self._show()

    def suspend(self, call: Call, now_ns: int) -> None:
        """It waits for its reader, or for the rest of its batch."""
        if call.started_ns:
            call.run_ns += now_ns - call.started_ns
            call.started_ns = 0
        if self._shown[0] is call:
            self._show()

    def end(self, call: Call) -> None:
        self._calls.discard(call)
        call.started_ns = 0
        if self._shown[0] is call:
            self._show()

    def stop_at(self, call: Call, when_ns: int, why: Stop) -> None:
        """overdue() gives it from then on, if it has not ended."""
        heapq.heappush(self._ends, (when_ns, next(self._serial), why, call))

    def overdue(self, now_ns: int) -> list[tuple[Call, Stop]]:
        """Calls whose time is up; each time limit once."""
        found = []
        ends = self._ends
        while ends and (ends[0][0] <= now_ns or ends[0][3] not in self._calls):
            _, _, why, call = heapq.heappop(ends)
            if call in self._calls:
                found.append((call, why))
        return found

    def seconds_to_wait(self, now_ns: int) -> float | None:
        """Until overdue() has something to give."""
        return max(0.0, (self._ends[0][0] - now_ns) / 1e9) if self._ends else None

    def show_again(self) -> None:
        """The session on the board has been cleared."""
        self._shown = (None, 0)
        self._show()

    def _show(self) -> None:
        limits, board = self._limits, self._board
        while limits and limits[0][2] != limits[0][3].started_ns:
            heapq.heappop(limits)
        if not limits:
            self._shown = (None, 0)
            board[STARTED_NS] = 0
            board[HARD_MS] = 0
            board[DUE_ID] = 0
            return
        _, _, started, call = limits[0]
        if self._shown != (call, started):
            self._shown = (call, started)
            # While started_ns is 0 nobody takes one call's limit for another's.
            board[STARTED_NS] = 0
            board[DUE_ID] = call.id
            board[HARD_MS] = call.method.hard_ms
            board[STARTED_NS] = started


def clock() -> int:
    """Now, as calls count it: CLOCK_MONOTONIC in nanoseconds."""
    return time.monotonic_ns()
