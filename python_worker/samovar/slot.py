"""One place in a pool: the worker that fills it now, and when the next one starts if it dies."""

import enum
import random
from dataclasses import dataclass, field

from samovar.board import Slot as BoardSlot
from samovar.launcher import WorkerHandle
from samovar.obituary import STDERR_LINES
from samovar.output import LineReader

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 10.0
# A worker that has served this long has shown that its app works: the next death counts as the first again.
_SERVED_WELL_S = 10.0


class State(enum.Enum):
    WAITING = enum.auto()  # no process; starts at `start_at`
    LOADING = enum.auto()  # imports the app
    LOADED = enum.auto()  # connects to the broker
    READY = enum.auto()  # has been announced


class Backoff:
    """How long to wait before the next start after a death. `now` is monotonic seconds."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._deaths = 0  # in a row, without having served well

    def delay(self, served_s: float | None) -> float:
        """Seconds to wait after a worker died that had served so long; None: it was never ready.

        None at all for the first death of one that was ready. Then from 0.05 s, doubled each time, to
        10 s; a random part of it, so that several workers do not start together for ever.
        """
        if served_s is not None and served_s >= _SERVED_WELL_S:
            self._deaths = 0
        self._deaths += 1
        if self._deaths == 1 and served_s is not None:
            return 0.0
        longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(self._deaths - 1, 20))
        return longest * self._rng.uniform(0.5, 1.0)


@dataclass
class Slot:
    """State of one place. The supervisor's loop owns it."""

    number: int
    board: BoardSlot
    backoff: Backoff
    state: State = State.WAITING
    start_at: float = 0.0
    handle: WorkerHandle | None = None
    ready_at: float | None = None  # None: this process has never been ready
    killed_because: str | None = None
    status_text: str = ""  # why the app could not be loaded
    readers: list[LineReader] = field(default_factory=list)  # stdout, stderr, status

    def started(self, handle: WorkerHandle) -> None:
        self.handle = handle
        self.state = State.LOADING
        self.ready_at = None
        self.killed_because = None
        self.status_text = ""
        self.readers = [
            LineReader(handle.stdout),
            LineReader(handle.stderr, keep=STDERR_LINES),
            LineReader(handle.status),
        ]

    def died(self, now: float) -> None:
        """Its process is gone: closes the pipes and sets when the next one starts."""
        assert self.handle is not None
        self.handle.close()
        self.handle = None
        self.readers = []
        self.state = State.WAITING
        served = None if self.ready_at is None else now - self.ready_at
        self.start_at = now + self.backoff.delay(served)
