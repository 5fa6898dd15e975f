"""The board: shared memory in which each worker marks what it runs, for its supervisor to read.

It tells, when a worker has died, which request it was running; and, while it lives, since when. A slot has
256 bytes and one writer, but for cancel_id and doomed. All numbers are unsigned, of 64 bits, in the host's byte order:

    offset  size  field
         0     8  epoch         of the worker's session with the broker; 0: none yet
         8     8  last_started  id of the last request that it began under that epoch; 0: none
        16     8  started_ns    CLOCK_MONOTONIC when that began, or up to 200 us before; 0: nothing runs
        24     8  pid
        32     8  cancel_id     request that shall end, written by the supervisor; 0: none
        40     8  hard_ms       hard limit of what runs, if its method has one; 0: the pool's
        48     8  requests      that it has been sent
        56     8  doomed        1: it will be killed, and sends nothing more; written by the supervisor
        64     8  due_id        request that started_ns and hard_ms are of; 0: last_started
        72    56  (reserved)
       128   128  service       its name, UTF-8, cut and padded with zero bytes: for people

Each number is stored at once, but two of them are not stored together: a reader of a live worker may see
last_started and started_ns of neighbouring requests. Of a dead one they are final. A worker that runs several requests at
once shows, in started_ns, hard_ms and due_id, the one whose hard limit comes first; last_started is the last that began.
"""

import mmap
import os
from dataclasses import dataclass

SLOT_BYTES = 256
EPOCH = 0  # indexes of 64-bit words in a slot
LAST_STARTED = 1
STARTED_NS = 2
PID = 3
CANCEL_ID = 4
HARD_MS = 5
REQUESTS = 6
DOOMED = 7
DUE_ID = 8
_SERVICE_OFFSET = 128
_SERVICE_BYTES = 128


@dataclass(frozen=True)
class Snapshot:
    """What a slot said at one moment."""

    epoch: int
    last_started: int
    started_ns: int
    pid: int
    service: str

    @property
    def running(self) -> bool:
        return self.started_ns != 0


class Slot:
    """One worker's part of the board. `words` is for the worker's loop: 64-bit numbers by index.

    Without a file descriptor it is private memory: a worker without a supervisor has nobody to tell.
    """

    def __init__(self, fd: int | None = None, number: int = 0) -> None:
        memory = mmap.mmap(-1 if fd is None else fd, SLOT_BYTES * (number + 1))
        view = memoryview(memory)[SLOT_BYTES * number :]
        self.words = view.cast("Q")
        self._bytes = view

    def begin_worker(self, pid: int, service: str) -> None:
        """Writes a new worker's name, before it has a session."""
        self.clear()
        name = service.encode()[:_SERVICE_BYTES]
        self._bytes[_SERVICE_OFFSET : _SERVICE_OFFSET + len(name)] = name
        self.words[PID] = pid

    def begin_session(self, epoch: int) -> None:
        """Nothing has been started under `epoch`."""
        self.words[STARTED_NS] = 0
        self.words[DUE_ID] = 0
        self.words[LAST_STARTED] = 0
        self.words[EPOCH] = epoch

    def clear(self) -> None:
        """As if no worker had ever used it."""
        self._bytes[:] = bytes(SLOT_BYTES)

    def read(self) -> Snapshot:
        name = bytes(self._bytes[_SERVICE_OFFSET:]).rstrip(b"\0").decode(errors="replace")
        words = self.words
        return Snapshot(
            words[EPOCH],
            words[LAST_STARTED],
            words[STARTED_NS],
            words[PID],
            service=name,
        )


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
