"""The board: shared memory in which each worker marks what it runs, for its supervisor to read.

It tells, when a worker has died, which request of which broker it was running; and, while it lives, since when. A slot has
1,280 bytes and one writer, but for doomed and cancel_id. All numbers are unsigned, of 64 bits, in the host's byte order:

    offset  size  field
         0     8  pid
         8     8  requests      that it has been sent
        16     8  doomed        1: it will be killed, and sends nothing more; written by the supervisor
        24     8  checking_ns   CLOCK_MONOTONIC when its health check began; 0: none runs
        32    96  (reserved)
       128   128  service       its name, UTF-8, cut and padded with zero bytes: for people
       256  1024  sessions      16, of 64 bytes each

Each broker that it serves has a session, so that equal ids of two brokers are never taken for one another:

         0     8  epoch         of the session; 0: none
         8     8  last_started  id of the last request that it began under that epoch; 0: none
        16     8  started_ns    CLOCK_MONOTONIC when what runs began, or up to 200 us before; 0: nothing runs
        24     8  broker        whose session it is: a number of the supervisor's; 0: nobody's
        32     8  cancel_id     request that shall end, written by the supervisor; 0: none
        40     8  hard_ms       hard limit of what runs, if its method has one; 0: the pool's
        48     8  due_id        request that started_ns and hard_ms are of; 0: last_started
        56     8  (reserved)

Each number is stored at once, but two of them are not stored together: a reader of a live worker may see
last_started and started_ns of neighbouring requests. Of a dead one they are final. A worker that runs several requests of a
session at once shows, in started_ns, hard_ms and due_id, the one whose hard limit comes first; last_started is the last that
began.
"""

import mmap
import os
from dataclasses import dataclass

# Indexes of 64-bit words in a slot,
PID = 0
REQUESTS = 1
DOOMED = 2
CHECKING_NS = 3
# and in a session.
EPOCH = 0
LAST_STARTED = 1
STARTED_NS = 2
BROKER = 3
CANCEL_ID = 4
HARD_MS = 5
DUE_ID = 6

SESSIONS = 16  # endpoints.MAX_BROKERS
_SERVICE_OFFSET = 128
_SERVICE_BYTES = 128
_SESSIONS_OFFSET = 256
_SESSION_BYTES = 64
SLOT_BYTES = _SESSIONS_OFFSET + SESSIONS * _SESSION_BYTES

Words = memoryview  # 64-bit numbers, by index


@dataclass(frozen=True)
class Session:
    """What a slot said of one broker at one moment."""

    broker: int
    epoch: int
    last_started: int
    running: bool


@dataclass(frozen=True)
class Snapshot:
    """What a slot said at one moment: `sessions` are those that have an epoch."""

    pid: int
    service: str
    sessions: tuple[Session, ...]


class Slot:
    """One worker's part of the board. `words` and `sessions` are for the worker's loop: 64-bit numbers by index.

    Without a file descriptor it is private memory: a worker without a supervisor has nobody to tell.
    """

    def __init__(self, fd: int | None = None, number: int = 0) -> None:
        memory = mmap.mmap(-1 if fd is None else fd, SLOT_BYTES * (number + 1))
        view = memoryview(memory)[SLOT_BYTES * number :]
        self._bytes = view
        self.words: Words = view.cast("Q")
        first, each = _SESSIONS_OFFSET // 8, _SESSION_BYTES // 8
        self.sessions: tuple[Words, ...] = tuple(
            self.words[start : start + each]
            for start in range(first, first + SESSIONS * each, each)
        )

    def begin_worker(self, pid: int, service: str) -> None:
        """Writes a new worker's name, before it has a session."""
        self.clear()
        name = service.encode()[:_SERVICE_BYTES]
        self._bytes[_SERVICE_OFFSET : _SERVICE_OFFSET + len(name)] = name
        self.words[PID] = pid

    def clear(self) -> None:
        """As if no worker had ever used it."""
        self._bytes[:] = bytes(SLOT_BYTES)

    def release(self) -> None:
        """From now on whoever reads or writes `words` or a session here gets a ValueError."""
        for words in (*self.sessions, self.words):
            words.release()

    def running(self) -> int | None:
        """The request that runs, of whichever session; None: nothing does."""
        for session in self.sessions:
            if session[STARTED_NS]:
                return session[LAST_STARTED]
        return None

    def serves(self, broker: int) -> bool:
        """Whether it has a session with this broker."""
        return any(each[BROKER] == broker and each[EPOCH] for each in self.sessions)

    def read(self) -> Snapshot:
        name = bytes(self._bytes[_SERVICE_OFFSET:_SESSIONS_OFFSET]).rstrip(b"\0")
        found = tuple(
            Session(each[BROKER], each[EPOCH], each[LAST_STARTED], each[STARTED_NS] != 0)
            for each in self.sessions
            if each[EPOCH]
        )
        return Snapshot(self.words[PID], name.decode(errors="replace"), found)


def begin_session(session: Words, epoch: int) -> None:
    """Nothing has been started under `epoch`."""
    session[STARTED_NS] = 0
    session[DUE_ID] = 0
    session[LAST_STARTED] = 0
    session[EPOCH] = epoch


class Board:
    """The supervisor's side: creates the memory. Workers map it through `fd`, which they inherit."""

    SLOTS = 4096  # memory is used only for those that are written to

    def __init__(self) -> None:
        self.fd = os.memfd_create("samovar-board", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, SLOT_BYTES * self.SLOTS)

    def slot(self, number: int) -> Slot:
        return Slot(self.fd, number)

    def close(self) -> None:
        """Closes the descriptor; the memory stays as long as somebody maps it."""
        os.close(self.fd)
