"""Lines that workers print: cut out of a stream of bytes, and written on without ever blocking."""

import logging
import os
import select
import time
from collections import deque

from samovar.printing import split_mark

# One write of at most this many bytes to a pipe that poll() calls writable does not block.
MAX_LINE = 4096
_LONGEST = MAX_LINE - 300  # room for the tag in front
_READ_BYTES = 65536


class LineReader:
    """Lines of a non-blocking descriptor, without their ends. Long ones are cut into several.

    `last` holds the last `keep` of them, without marks (printing.py). `open` is false once nothing more can come.
    """

    def __init__(self, fd: int, keep: int = 0) -> None:
        self.fd = fd
        self.open = True
        self.last: deque[bytes] = deque(maxlen=keep)
        self._rest = b""

    def read(self) -> list[bytes]:
        """The lines that have come, from one read: a noisy worker does not hold up the others."""
        try:
            data = os.read(self.fd, _READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            self.open = False
            return self._flush()
        *complete, rest = (self._rest + data).split(b"\n")
        if len(rest) > _LONGEST:
            complete, rest = [*complete, rest], b""
        self._rest = rest
        lines = [part for line in complete for part in _cut(line.removesuffix(b"\r"))]
        if self.last.maxlen:
            self.last.extend(split_mark(line)[1] for line in lines[-self.last.maxlen :])
        return lines

    def finish(self) -> list[bytes]:
        """What is left when the writer is dead, an unfinished last line included. At most some MiB."""
        lines: list[bytes] = []
        for _ in range(32):  # somebody may have inherited the other end and write for ever
            before = len(self._rest), len(lines)
            lines += self.read()
            if not self.open or (len(self._rest), len(lines)) == before:
                break
        return lines + self._flush()

    def _flush(self) -> list[bytes]:
        lines = _cut(self._rest) if self._rest else []
        self._rest = b""
        self.last.extend(split_mark(line)[1] for line in lines)
        return lines


def _cut(line: bytes) -> list[bytes]:
    return [line[start : start + _LONGEST] for start in range(0, len(line), _LONGEST)] or [b""]


class Throttle:
    """Lets so many lines a second through and counts the rest: a loud worker neither waits nor fills the log."""

    PER_SECOND = 1000

    def __init__(self) -> None:
        self._second_ends = 0.0
        self._left = 0
        self._dropped = 0

    def allow(self, lines: list[bytes], now: float) -> list[bytes]:
        """Those that may be shown. `now` is monotonic seconds."""
        if not lines:
            return lines
        note = self.note(now)
        if now >= self._second_ends:
            self._second_ends = now + 1.0
            self._left = self.PER_SECOND
        allowed = lines[: self._left]
        self._left -= len(allowed)
        self._dropped += len(lines) - len(allowed)
        return note + allowed

    def note(self, now: float) -> list[bytes]:
        """Says, when its second is over, how many were not let through."""
        if not self._dropped or now < self._second_ends:
            return []
        dropped, self._dropped = self._dropped, 0
        return [b"... %d more lines: only %d a second are shown" % (dropped, self.PER_SECOND)]

    def seconds_to_wait(self, now: float) -> float | None:
        return max(0.0, self._second_ends - now) if self._dropped else None


class Sink(logging.Handler):
    """Writes lines to a descriptor that others share, and drops them while nobody reads it.

    It is the log's handler as well, so that a full pipe stops neither. A supervisor must go on reaping.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._dropped = 0

    def write_line(self, line: bytes) -> None:
        if self._dropped and self._writable():
            dropped, self._dropped = self._dropped, 0
            self._write(b"samovar-worker: %d lines were dropped: nobody read them" % dropped)
        if self._writable():
            self._write(line)
        else:
            self._dropped += 1

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines() or [""]:
            self.write_line(line.encode("utf-8", "replace"))

    def _writable(self) -> bool:
        return any(events & select.POLLOUT for _, events in self._poll.poll(0))

    def _write(self, line: bytes) -> None:
        try:
            os.write(self._fd, line[: MAX_LINE - 1] + b"\n")
        except OSError:
            pass  # closed by whoever read it: there is nowhere to say so


class Voices:
    """Shows lines of workers and zygotes, with who wrote them and, where that is known, for which request."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def show(
        self,
        who: str,
        lines: list[bytes],
        throttle: Throttle | None = None,
        running: int | None = None,
    ) -> None:
        """`running`: the request that may have written what has no mark."""
        if throttle is not None:
            lines = throttle.allow(lines, time.monotonic())
        for line in lines:
            request, text = split_mark(line)
            if request is not None:
                tag = f"[{who} request {request}] "
            elif running is not None:
                tag = f"[{who} request {running}?] "
            else:
                tag = f"[{who}] "
            self._sink.write_line(tag.encode() + text)
