"""What a worker's Python prints, marked with the request that printed it, for its supervisor's log.

A marked line starts with RECORD SEPARATOR, the request's id, and another one. What C code or a child writes to the
descriptor has no mark: there the supervisor looks at the board.
"""

import io
import os
import sys
from typing import Any

from samovar.attached import running_request
from samovar.board import Slot

MARK = b"\x1e"


class _Marking(io.RawIOBase):
    """Writes to a descriptor, with a mark at the beginning of each line while a request runs."""

    def __init__(self, fd: int, board: Slot) -> None:
        self._fd = fd
        self._board = board
        self._at_line_start = True

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False

    def _request(self) -> int:
        """The request that is printing; 0: none is, or nobody knows."""
        try:
            return running_request() or self._board.running() or 0
        except ValueError:  # the board has been released: a child that a handler forked
            return 0

    def write(self, data: Any) -> int:
        text = bytes(data)
        if not text:
            return 0
        request = self._request()
        if request:
            mark = MARK + b"%d" % request + MARK
            ends = text.endswith(b"\n")
            body = text[:-1] if ends else text
            marked = body.replace(b"\n", b"\n" + mark) + (b"\n" if ends else b"")
            rest = memoryview(mark + marked if self._at_line_start else marked)
        else:
            rest = memoryview(text)
        self._at_line_start = text.endswith(b"\n")
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        return len(text)


def mark_what_is_printed(board: Slot) -> None:
    """Replaces sys.stdout and sys.stderr. They write each line at once."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        getattr(sys, name).flush()
        stream = io.TextIOWrapper(
            _Unbuffered(_Marking(fd, board)),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)


class _Unbuffered(io.BufferedWriter):
    """What TextIOWrapper hands over goes out at once; sys.stdout.buffer works as usual."""

    def write(self, data: Any, /) -> int:
        written = super().write(data)
        self.flush()
        return written


def split_mark(line: bytes) -> tuple[int | None, bytes]:
    """The request that a line is marked with, and the line itself."""
    if not line.startswith(MARK):
        return None, line
    number, separator, rest = line[1:].partition(MARK)
    if not separator or not number.isdigit():
        return None, line
    return int(number), rest
