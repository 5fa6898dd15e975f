"""What the interop table calls: a handler of every kind."""

import asyncio
import datetime
import math
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy

import samovar

service = samovar.Service("interop")
busy = samovar.Service("busy")
full = samovar.Service("full")
mortal = samovar.Service("mortal")
empty = samovar.Service("empty")


def note(text: str) -> None:
    with open(os.environ["SAMOVAR_LEDGER"], "a", encoding="utf-8") as ledger:
        ledger.write(f"{text}\n")


@busy.method
@full.method
@empty.method
@service.method
def echo(value: Any) -> Any:
    return value


@busy.method
@full.method
def hold(gate: str) -> None:
    """Keeps the worker busy until the file is there."""
    while not os.path.exists(gate):
        time.sleep(0.005)


@service.method
async def nap(seconds: float, begun: str = "") -> float:
    if begun:
        Path(begun).touch()
    await asyncio.sleep(seconds)
    return seconds


@service.method
async def later(value: int) -> int:
    await asyncio.sleep(0)
    return value


@service.method(threads=2)
def threaded(value: int) -> int:
    return value


@service.batch(max_size=8, max_delay_ms=1)
def length(texts: list[Any]) -> list[Any]:
    return [len(text) if isinstance(text, str) else TypeError("no text") for text in texts]


@service.method
def named(a: int, *, b: int, c: str) -> list[Any]:
    return [a, b, c]


@service.method
def kind(value: Any) -> str:
    return type(value).__name__


@service.method
def is_nan(value: float) -> bool:
    return math.isnan(value)


@service.method
def moment() -> datetime.datetime:
    return datetime.datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=datetime.timezone.utc)


@service.method
def doubled(values: numpy.ndarray) -> numpy.ndarray:
    return values * 2


@service.method
def mirror() -> samovar.WithAttachments:
    attachments = [bytes(each) for each in samovar.attachments()]
    return samovar.WithAttachments(len(attachments), attachments)


@service.method
def fail(text: str) -> None:
    raise ValueError(text)


@mortal.method
def die(unlike_others: str) -> None:
    """Three equal requests that kill would be refused."""
    os.kill(os.getpid(), signal.SIGKILL)


@service.method
def count(number: int) -> Iterator[int]:
    yield from range(number)


@service.method
async def ticks(number: int) -> AsyncIterator[int]:
    for each in range(number):
        yield each


@service.method
def breaks(number: int) -> Iterator[int]:
    yield from range(number)
    raise ValueError("it broke")


@service.method
def endless() -> Iterator[int]:
    try:
        number = 0
        while True:
            yield number
            number += 1
    finally:
        note("endless was closed")
