"""One table in three layouts. Workers share what was loaded before they were forked: until they write to it.

Looking at a Python object writes to it (its reference count), looking into an array or a file does not: docs/memory.md.

    samovar-worker examples.memory.layouts:objects --workers 4 --report-memory --connect tcp://127.0.0.1:7712
"""

import os
import random
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import Any, Protocol

from samovar import Service

ROWS = int(os.environ.get("ROWS", "200000"))
Row = tuple[int, str, float]


class Table(Protocol):
    def get(self, key: int) -> Row | None:
        ...


class Objects:
    """A dict of tuples. Each row is four objects, and each look-up changes the counts of those that it touches."""

    def __init__(self, rows: int) -> None:
        self._rows = {key: (key, f"name of {key:08x}", key / 2) for key in range(rows)}

    def get(self, key: int) -> Row | None:
        return self._rows.get(key)


class Compact:
    """Columns in arrays, texts in one bytes object: three objects in all, however many rows."""

    def __init__(self, rows: int, width: int = 16) -> None:
        self._width = width
        self._keys = array("Q", range(rows))
        self._values = array("d", (key / 2 for key in range(rows)))
        names = bytearray()
        for key in range(rows):
            names += (b"name of %08x" % key).ljust(width)
        self._names = bytes(names)

    def get(self, key: int) -> Row | None:
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key:
            return None
        name = self._names[at * self._width : (at + 1) * self._width]
        return key, name.decode().rstrip(), self._values[at]


class Mapped:
    """numpy records in a file that is mapped: shared by all processes that map it, forked or not.

    Made once, when the data are made, by numpy.save(); fields key (u8), name (S16), value (f8).
    """

    def __init__(self, path: Path) -> None:
        import numpy

        self._records = numpy.load(path, mmap_mode="r")
        self._keys = self._records["key"]

    def get(self, key: int) -> Row | None:
        at = int(self._keys.searchsorted(key))
        if at == len(self._keys) or self._keys[at] != key:
            return None
        record = self._records[at]
        return key, record["name"].decode(), float(record["value"])


def _service(name: str) -> Service:
    service = Service(name)

    @service.method(idempotent=True)
    def get(key: int) -> Any:
        """The row of a key; None if there is none."""
        return service.state.get(key)

    @service.method
    def look_up(count: int) -> int:
        """`count` rows at random; returns this worker's pid."""
        rng = random.Random(os.getpid())
        for _ in range(count):
            service.state.get(rng.randrange(ROWS))
        return os.getpid()

    return service


objects = _service("objects")
objects.load(lambda: Objects(ROWS))
compact = _service("compact")
compact.load(lambda: Compact(ROWS))
mapped = _service("mapped")
mapped.load(lambda: Mapped(Path(os.environ["RECORDS"])))
