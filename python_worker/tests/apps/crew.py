"""Handlers of every kind, for test_handlers.py. Notes go to $CREW_LEDGER, a line each."""

import array
import asyncio
import os
import threading
import time
from typing import Any

import numpy

from samovar import Context, Service, WithAttachments, attachments
from samovar.board import DUE_ID, HARD_MS, LAST_STARTED, STARTED_NS

service = Service("crew")
_gate = threading.Event()


def note(text: str) -> None:
    with open(os.environ["CREW_LEDGER"], "a", encoding="utf-8") as ledger:
        ledger.write(f"{text}\n")


@service.load
def load() -> str:
    return "loaded"


@service.method
def echo(value: Any) -> Any:
    return value


@service.method
def noted(text: str) -> str:
    note(text)
    return text


@service.method
def open_gate() -> None:
    _gate.set()


@service.method
async def wait(name: str) -> str:
    try:
        while not _gate.is_set():
            await asyncio.sleep(0.001)
        return name
    finally:
        note(f"{name} ended")


@service.method
async def stubborn() -> str:
    note("stubborn began")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        pass
    return "nothing happened"


@service.method
async def fail_later(text: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(text)


@service.method
async def leave() -> None:
    raise SystemExit(3)


@service.method(threads=2)
def in_thread(ctx: Context, name: str) -> list[Any]:
    while not _gate.is_set() and not ctx.cancelled:
        time.sleep(0.001)
    note(f"{name} ended, cancelled {ctx.cancelled}")
    if name == "bad":
        raise KeyError(name)
    return [name, threading.current_thread() is threading.main_thread(), attachments()]


@service.method(threads=1, hard_timeout=0.3)
def hang() -> None:
    while True:
        time.sleep(60)


@service.method(hard_timeout=0.2)
async def sleep_long() -> None:
    await asyncio.sleep(60)


@service.method
async def say(text: str, until: str) -> None:
    while not os.path.exists(until):
        await asyncio.sleep(0.001)
    print(text)


@service.method(threads=1)
def say_in_thread(text: str) -> None:
    print(text)


@service.method
def say_plainly(text: str) -> None:
    print(text)


@service.method
async def fork_and_say(text: str) -> None:
    child = os.fork()
    if child == 0:
        print(text)
        os._exit(0)
    os.waitpid(child, 0)


@service.method
def count(last: int) -> Any:
    try:
        for number in range(last):
            yield number
    finally:
        note(f"count {last} closed")


@service.method
def forever() -> Any:
    try:
        while True:
            yield "more"
    finally:
        note("forever closed")


@service.method
def break_off(after: int) -> Any:
    yield from range(after)
    raise RuntimeError("no more")


@service.method
def odd_item() -> Any:
    yield 1
    yield {2}


@service.method
def pieces() -> Any:
    yield WithAttachments("first", [b"abc"])
    yield numpy.arange(3, dtype="int16")
    yield attachments()


@service.method
async def count_later(last: int, pause: float = 0.0) -> Any:
    try:
        for number in range(last):
            if pause:
                await asyncio.sleep(pause)
            yield number
    finally:
        await asyncio.sleep(0)
        note(f"count_later {last} closed")


@service.method
def about(ctx: Context, value: int = 1) -> dict[str, Any]:
    ctx.progress(1, 2, "half")
    return {
        "value": value,
        "left": ctx.time_left(),
        "deadline": ctx.deadline - time.monotonic(),
        "cancelled": ctx.cancelled,
        "caller": ctx.caller,
        "traceparent": ctx.traceparent,
        "attempt": ctx.attempt,
        "id": ctx.request_id,
        "state": ctx.state,
        "method": ctx.method,
    }


@service.method
def until_cancelled(ctx: Context) -> bool:
    note("until_cancelled asks")
    while not ctx.cancelled:
        time.sleep(0.001)
    return ctx.cancelled


@service.method(hard_timeout=30.0, priority="bulk", pure=True, timeout=2.5)
def board() -> list[int]:
    words = _words()
    return [words[LAST_STARTED], words[STARTED_NS], words[HARD_MS], words[DUE_ID]]


@service.method
def board_of_default() -> list[int]:
    return board()


def _words() -> Any:
    import gc

    from samovar.executor import Executor

    return next(each for each in gc.get_objects() if isinstance(each, Executor))._board


@service.batch(max_size=4, max_delay_ms=60_000)
def double(values: list[Any]) -> list[Any]:
    note(f"batch of {len(values)}")
    if "all" in values:
        raise RuntimeError("all of them")
    if "short" in values:
        return [1]
    return [ValueError(f"{v} is odd") if isinstance(v, str) else v * 2 for v in values]


@service.batch(max_size=100, max_delay_ms=20)
async def pairs(values: list[Any]) -> list[Any]:
    await asyncio.sleep(0)
    return [a + b for a, b in values]


@service.batch(max_size=3, max_delay_ms=60_000, threads=2)
def lengths(values: list[str]) -> list[int]:
    return [len(value) for value in values]


@service.method
def array_sum(values: Any, more: Any = None) -> Any:
    assert type(values) is numpy.ndarray and not values.flags.writeable
    return [values.sum().item(), values.dtype.str, list(values.shape), more is not None]


@service.method
def arrays(which: str) -> Any:
    matrix = numpy.arange(6, dtype="<f8").reshape(2, 3)
    return {
        "matrix": matrix,
        "turned": matrix.T,
        "nested": {
            "a": [matrix, numpy.zeros(0, "u1")],
            "n": numpy.float32(0.5),
            "i": numpy.int64(7),
        },
        "std": array.array("i", [1, 2]),
        "beside": WithAttachments(matrix, [b"first"]),
        "texts": numpy.array(["a"]),
    }[which]


@service.method
def zeros(size: int) -> bytes:
    return bytes(size)


@service.method
def large(size: int) -> Any:
    return numpy.zeros(size, "u1")


@service.method
async def large_later(data: bytes) -> bytes:
    return data
