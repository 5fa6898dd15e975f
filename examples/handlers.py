"""One handler of every kind; docs/handlers.md explains them.

    samovar-worker examples.handlers:service --connect tcp://127.0.0.1:7712
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator

import numpy

from samovar import Context, Service

service = Service("handlers")


@service.load
def load() -> dict[str, int]:
    return {"tea": 3, "coffee": 5}


# A plain function: the fastest kind. One at a time in each worker.
@service.method(pure=True, timeout=1.0)
def price(item: str) -> int | None:
    prices: dict[str, int] = service.state
    return prices.get(item)


# async def: many at once in a worker, for handlers that wait for others.
@service.method
async def later(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"after {seconds:g} s"


# In threads: for code that releases the GIL, as hashlib and numpy do.
@service.method(threads=4)
def digest(data: bytes, rounds: int = 1) -> str:
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()


# A generator streams: each item is sent when it is there, no faster than its reader takes them.
@service.method
def squares(count: int) -> Iterator[int]:
    for number in range(count):
        yield number * number


@service.method
async def ticks(count: int, seconds: float) -> AsyncIterator[int]:
    for number in range(count):
        yield number
        await asyncio.sleep(seconds)


# The request itself: deadline, cancellation, progress. hard_timeout ends what does not listen.
@service.method(hard_timeout=60.0)
def search(ctx: Context, words: list[str], wanted: str) -> int | None:
    for number, word in enumerate(words):
        if ctx.cancelled:
            break
        ctx.progress(number, len(words), word)
        if word == wanted:
            return number
    return None


# A batch: many requests, one call. An Exception among the results is the error of that caller alone.
@service.batch(max_size=64, max_delay_ms=2)
def length(texts: list[str]) -> list[int | Exception]:
    return [len(text) if isinstance(text, str) else TypeError("not a text") for text in texts]


# Arrays travel beside the call, and are not copied into it.
@service.method
def scaled(values: numpy.ndarray, factor: float) -> numpy.ndarray:
    return values * factor


@service.method(priority="bulk", idempotent=True)
def nap(seconds: float) -> None:
    time.sleep(seconds)
