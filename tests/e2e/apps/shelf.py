"""A module that knows nothing of Samovar."""

from collections.abc import AsyncIterator, Iterator
from os.path import join  # noqa: F401: not its own, so not public
from typing import Any

WIDTH = 7


class Box:
    def __init__(self, width: int) -> None:
        self.width = width

    @classmethod
    def make(cls, width: int) -> list[int]:
        return [0] * width

    @staticmethod
    def jar() -> str:
        return "jar"

    def size(self) -> int:
        return self.width


box = Box(WIDTH)


def add(a: int, b: int) -> int:
    return a + b


def spread(count: int) -> Iterator[int]:
    return map(lambda each: 2 * each, range(count))


def pieces(count: int) -> Iterator[int]:
    yield from range(count)


def shape() -> dict[str, Any]:
    return {"z": 1j}


def fails() -> None:
    raise RuntimeError("the shelf is empty")


async def later(value: int) -> int:
    return value + 1


async def trickle(count: int) -> AsyncIterator[int]:
    for each in range(count):
        yield each


def _hidden() -> None:
    raise AssertionError
