"""One place in a pool: a worker's process from its start to its end, and what the supervisor knows of it."""

import enum
import os
import random
from dataclasses import dataclass, field

from samovar.board import Slot as BoardSlot
from samovar.launcher import WorkerHandle
from samovar.obituary import STDERR_LINES
from samovar.output import LineReader, Throttle

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 10.0
# A worker that has served this long has shown that its app works: the next death counts as the first again.
_SERVED_WELL_S = 10.0


class State(enum.Enum):
    STARTING = "starting"  # forked or started; loads, or runs on_worker_start
    PARKED = "spare"  # could serve
    CONNECTING = "connecting"  # loaded, and on its way to the broker
    READY = "ready"  # has been announced
    DRAINING = "draining"  # was told to stop; finishes what it has


class Backoff:
    """How long to wait before the next start after deaths. `now` is monotonic seconds."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._deaths = 0  # in a row, without one that had served well
        self.start_at = 0.0  # not before then

    def died(self, now: float, served_s: float | None) -> None:
        """A worker died that had served so long; None: it was never ready.

        The next start is at once after the first death of one that was ready. Then from 0.05 s, doubled each
        time, to 10 s; a random part of it, so that several pools do not start together for ever.
        """
        if served_s is not None and served_s >= _SERVED_WELL_S:
            self._deaths = 0
        self._deaths += 1
        if self._deaths == 1 and served_s is not None:
            return
        longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(self._deaths - 1, 20))
        self.start_at = now + longest * self._rng.uniform(0.5, 1.0)


@dataclass
class Ending:
    """What the supervisor does to a worker that overran: asks, looks where it is, kills."""

    because: str
    stack_at: float  # when its stack is asked for
    kill_at: float | None = None  # set when that has been done


@dataclass
class Slot:
    """State of one worker. The supervisor's loop owns it."""

    number: int  # its place on the board
    board: BoardSlot
    handle: WorkerHandle
    generation: int
    started_at: float
    spare: bool = False  # waits, when it could serve, until it is wanted
    state: State = State.STARTING
    ready_at: float | None = None
    replace_because: str | None = None  # it shall go as soon as another one is ready
    killed_because: str | None = None
    failure: dict[str, str] | None = None  # why it could not be loaded: "failed", "traceback"
    ending: Ending | None = None
    overdue_at: float | None = None  # when the request that it now runs has run too long
    memory: dict[str, int] = field(default_factory=dict)  # kB, as last looked at
    throttle: Throttle = field(default_factory=Throttle)
    stdout: LineReader = field(init=False)
    stderr: LineReader = field(init=False)
    status: LineReader = field(init=False)
    stack: LineReader = field(init=False)

    untold: bytes = b""  # of what it is to hear, that its pipe did not take yet

    def __post_init__(self) -> None:
        fds = self.handle.pipes.ours
        self.stdout = LineReader(fds["stdout"])
        self.stderr = LineReader(fds["stderr"], keep=STDERR_LINES)
        self.status = LineReader(fds["status"])
        self.stack = LineReader(fds["stack"], keep=100)

    @property
    def readers(self) -> tuple[LineReader, ...]:
        return self.stdout, self.stderr, self.status, self.stack

    @property
    def pid(self) -> int:
        """0: the zygote has not said it yet."""
        return self.handle.pid

    @property
    def serves(self) -> bool:
        """Counts as one of the workers that are wanted: it is not leaving, and no spare."""
        return not self.spare and self.state is not State.DRAINING

    def tell(self, line: bytes) -> None:
        """Through its command pipe; what does not fit now goes with the next one, which may be empty."""
        self.untold += line
        try:
            written = os.write(self.handle.pipes.ours["command"], self.untold)
        except OSError:  # it is full, as it does not read; or it is dead, and will be reaped
            return
        self.untold = self.untold[written:]

    def served_s(self, now: float) -> float | None:
        return None if self.ready_at is None else now - self.ready_at
