"""The structure of msgpack, before it is decoded: where values end, how deep they nest, what they claim.

For messages that do not decode as a whole; the same checks as in proto/cursor.cpp, and as strict.
"""

from collections.abc import Iterable
from typing import Any

import msgpack

from samovar.plain import is_struct, plain

MAX_DEPTH = 64  # nesting, the message's own array included
# The claims of a smaller message are not looked at: a bundle of 500 small requests pays nothing, and what it can claim
# is 128 MiB, for a moment.
UNCHECKED_BYTES = 16 << 10

# Types without anything inside them; most arguments and results are of these.
SCALARS = frozenset({str, int, float, bool, bytes, type(None)})


class BadStructure(ValueError):
    """Bytes that are cut off, nested too deeply, or not msgpack."""


class Undecodable:
    """Stands for a value that is msgpack, but that Python cannot hold, such as a timestamp of 5 bytes."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"<undecodable: {self.reason}>"


# What a value's first byte tells: its bytes without its children, how many bytes hold a length or a count,
# and how many children it has, or has for each that is counted. None of 0 bytes: no msgpack.
Shape = tuple[int, int, int, bool]


def _shapes() -> list[Shape]:
    shapes: list[Shape] = [(1, 0, 0, False)] * 256
    for count in range(16):
        shapes[0x80 + count] = (1, 0, 2 * count, True)
        shapes[0x90 + count] = (1, 0, count, True)
    for size in range(32):
        shapes[0xA0 + size] = (1 + size, 0, 0, False)
    shapes[0xC1] = (0, 0, 0, False)
    for power in range(3):
        width = 1 << power
        shapes[0xC4 + power] = shapes[0xD9 + power] = (1 + width, width, 0, False)  # bin, str
        shapes[0xC7 + power] = (2 + width, width, 0, False)  # ext
    shapes[0xCA], shapes[0xCB] = (5, 0, 0, False), (9, 0, 0, False)
    for power in range(4):
        shapes[0xCC + power] = shapes[0xD0 + power] = (1 + (1 << power), 0, 0, False)
    for power in range(5):
        shapes[0xD4 + power] = (2 + (1 << power), 0, 0, False)  # fixext
    for first, children in ((0xDC, 1), (0xDE, 2)):
        shapes[first], shapes[first + 1] = (3, 2, children, True), (5, 4, children, True)
    return shapes


_SHAPES = _shapes()


def end_of(data: memoryview, start: int, levels: int) -> int:
    """Where the value at `start` ends, that nests at most `levels` lists and maps. Raises BadStructure."""
    size = len(data)
    pending: list[int] = []  # what is still to come on each level that was entered
    to_come = 1
    while True:
        if start >= size:
            raise BadStructure("it is cut off")
        length, width, children, container = _SHAPES[data[start]]
        if not length:
            raise BadStructure("it is not msgpack")
        if width:
            if size - start <= width:
                raise BadStructure("it is cut off")
            count = int.from_bytes(data[start + 1 : start + 1 + width], "big")
            if container:
                children *= count
            else:
                length += count
        # Each child takes a byte at least.
        if length + children > size - start:
            raise BadStructure("it is cut off")
        start += length
        to_come -= 1
        if container:
            if len(pending) >= levels:
                raise BadStructure("it is nested too deeply")
            pending.append(to_come)
            to_come = children
        while not to_come:
            if not pending:
                return start
            to_come = pending.pop()


def is_list(data: memoryview) -> bool:
    """Whether `data` begins as a list does."""
    return len(data) > 0 and (data[0] & 0xF0 == 0x90 or data[0] in (0xDC, 0xDD))


def is_map(data: memoryview) -> bool:
    """Whether `data` begins as a map does."""
    return len(data) > 0 and (data[0] & 0xF0 == 0x80 or data[0] in (0xDE, 0xDF))


def children(data: memoryview, levels: int) -> list[memoryview]:
    """What stands in the list or the map (keys and values in turn) that fills `data`, still encoded.

    Raises BadStructure, also for anything else. `levels` counts the list itself.
    """
    if not len(data):
        raise BadStructure("it is empty")
    length, width, count, container = _SHAPES[data[0]]
    if not container:
        raise BadStructure("it is neither a list nor a map")
    if len(data) < length:
        raise BadStructure("it is cut off")
    if width:
        count *= int.from_bytes(data[1 : 1 + width], "big")
    if count > len(data) - length:
        raise BadStructure("it is cut off")
    inside = []
    start = length
    for _ in range(count):
        end = end_of(data, start, levels - 1)
        inside.append(data[start:end])
        start = end
    if start != len(data):
        raise BadStructure(f"{len(data) - start} bytes follow it")
    return inside


def claims_too_much(data: bytes | memoryview) -> bool:
    """Whether lists in `data` may claim far more elements than there are bytes, before anybody has decoded it.

    msgpack makes room for as many elements as a list claims, and may have a thousand open at the same time. Only lists
    with a count of four bytes can claim that much; whoever has more than a few of them is looked at.
    """
    if len(data) <= UNCHECKED_BYTES or type(data) is not bytes:
        return False
    at = -1
    for _ in range(9):
        at = data.find(b"\xdd", at + 1)  # ten times as fast as count()
        if at < 0:
            return False
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    try:
        unpacker.skip()  # makes nothing of what it meets
    except Exception:
        return True
    return False


def too_deep(values: Iterable[Any], levels: int) -> bool:
    """Whether any of `values` nests more than `levels` lists and maps. (Not counted: keys of maps.)

    It looks at each element's type, and goes down only where there is something inside.
    """
    level = _containers(values)
    for _ in range(levels):
        inside: list[Any] = []
        for container in level:
            elements = _elements(container)
            if not SCALARS.issuperset(map(type, elements)):
                inside += _containers(elements)
        if not inside:
            return False
        level = inside
    return bool(level)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [
        value
        for value in values
        if isinstance(value, (dict, list, tuple)) or is_struct(type(value))
    ]


def _elements(container: Any) -> Iterable[Any]:
    if isinstance(container, (list, tuple)):
        return container
    elements: dict[Any, Any] = container if isinstance(container, dict) else plain(container)
    return elements.values()
