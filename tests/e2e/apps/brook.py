"""Methods that answer with streams."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import samovar
from e2e_notes import note

service = samovar.Service("brook")


@service.method
def count(to: int) -> Iterator[int]:
    """Notes each item, and how it ended."""
    try:
        for number in range(to):
            note(f"item {number}")
            yield number
        note("end")
    except GeneratorExit:
        note("closed")
        raise


@service.method
async def acount(to: int) -> AsyncIterator[int]:
    try:
        for number in range(to):
            await asyncio.sleep(0)
            yield number
    finally:
        note("closed")


@service.method
def fall(after: int) -> Iterator[int]:
    yield from range(after)
    raise ValueError("the brook has run dry")


@service.method
def stall() -> Iterator[int]:
    yield 1
    threading.Event().wait()


@service.method
def chunks(size: int, number: int) -> Iterator[bytes]:
    for _ in range(number):
        yield bytes(size)


@service.method
def add(left: int, right: int) -> int:
    return left + right
