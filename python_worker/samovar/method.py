"""One method of a service: its function, what kind of handler that is, and what callers may assume of it."""

import enum
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from samovar.context import Context
from samovar.conversion import Convert

Handler = Callable[..., Any]

# How many requests a worker runs at once when its service does not say.
_ASYNC_CONCURRENCY = 64
_STREAM_CONCURRENCY = 16
MAX_CONCURRENCY = 256  # PROTOCOL.md 5.3
PRIORITIES = {"urgent": 0, "normal": 1, "bulk": 2}
_ONE_DAY = 86_400.0


class Kind(enum.Enum):
    PLAIN = enum.auto()  # runs in the worker's loop, nothing beside it
    ASYNC = enum.auto()  # many at once, in the worker's event loop
    THREAD = enum.auto()  # a plain function, in a thread
    GENERATOR = enum.auto()  # streams: its items are sent one by one
    ASYNC_GENERATOR = enum.auto()

    @property
    def streams(self) -> bool:
        return self in (Kind.GENERATOR, Kind.ASYNC_GENERATOR)

    @property
    def needs_event_loop(self) -> bool:
        return self in (Kind.ASYNC, Kind.ASYNC_GENERATOR)


@dataclass(frozen=True)
class Batch:
    """How requests are collected for one call of the function. `max_delay` in seconds."""

    max_size: int
    max_delay: float


@dataclass(frozen=True)
class Method:
    """One method: its name without the service, the function, and what callers may assume of it. Times in seconds."""

    name: str
    function: Handler
    idempotent: bool = False
    pure: bool = False
    priority: int | None = None
    timeout: float | None = None
    hard_timeout: float | None = None
    threads: int = 0
    kind: Kind = Kind.PLAIN
    wants_context: bool = False
    batch: Batch | None = None
    argument: Convert | None = None  # of a batch: what its calls' arguments are made into

    @property
    def is_simple(self) -> bool:
        """Whether the fast path can run it: a plain function that is given its arguments and nothing else."""
        return self.kind is Kind.PLAIN and not self.wants_context and self.batch is None

    @property
    def hard_ms(self) -> int:
        """Its hard limit in milliseconds; 0: it has none of its own."""
        return 0 if self.hard_timeout is None else max(1, round(self.hard_timeout * 1000))

    @property
    def concurrency(self) -> int:
        """How many requests for it a worker should hold when the service does not say."""
        if self.batch is not None:
            return min(self.batch.max_size, MAX_CONCURRENCY)
        if self.kind is Kind.THREAD:
            return self.threads
        if self.kind.needs_event_loop:
            return _ASYNC_CONCURRENCY
        return _STREAM_CONCURRENCY if self.kind is Kind.GENERATOR else 1

    def announce(self) -> dict[str, Any]:
        """Its entry in READY, PROTOCOL.md 5.3."""
        entry = {
            "idempotent": self.idempotent or self.pure,
            "pure": self.pure,
            "stream": self.kind.streams,
            # A plain function hears of it only where it asks: the loop is busy with it.
            "cancel": not self.is_simple,
            "timeout_us": self.timeout and _microseconds(self.timeout),
            "hard_timeout_us": self.hard_timeout and _microseconds(self.hard_timeout),
        }
        present = {key: value for key, value in entry.items() if value}
        if self.priority is not None:
            present["priority"] = self.priority
        return present


def _microseconds(seconds: float) -> int:
    return max(1, round(seconds * 1e6))


def kind_of(function: Handler, threads: int) -> Kind:
    """What kind of handler this is. Raises TypeError for a function that cannot run in threads but shall."""
    tests: tuple[tuple[Kind, Callable[[Any], bool]], ...] = (
        (Kind.ASYNC, inspect.iscoroutinefunction),
        (Kind.ASYNC_GENERATOR, inspect.isasyncgenfunction),
        (Kind.GENERATOR, inspect.isgeneratorfunction),
    )
    for each in (function, getattr(function, "__call__", None)):
        for kind, is_one in tests:
            if is_one(each):
                if threads:
                    raise TypeError(
                        f"{function!r} is async or a generator, and cannot run in threads: "
                        "leave threads=... out, or write it as a plain function"
                    )
                return kind
    return Kind.THREAD if threads else Kind.PLAIN


def wants_context(function: Handler) -> bool:
    """Whether its first positional parameter is annotated samovar.Context."""
    try:
        parameters = iter(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some functions of C extensions do not say
        return False
    first = next(parameters, None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return False
    annotation = first.annotation
    if isinstance(annotation, str):
        # From `from __future__ import annotations`; an import under TYPE_CHECKING leaves the text only.
        if annotation in ("Context", "samovar.Context"):
            inner = inspect.unwrap(function)
            named = getattr(inner, "__globals__", {}).get("Context", Context)
            return annotation != "Context" or named is Context
        return False
    return annotation is Context


def without_context(method: Method) -> Handler:
    """The function as callers see it, for error texts: its signature has no ctx."""
    if method.wants_context:
        return functools.partial(method.function, None)
    return method.function


def check_priority(priority: int | str | None) -> int | None:
    """0 to 2. Raises ValueError."""
    number = PRIORITIES.get(priority, priority) if isinstance(priority, str) else priority
    if number is None or (type(number) is int and 0 <= number <= 2):
        return number
    raise ValueError(f"priority={priority!r}: use urgent, normal, bulk, or 0, 1, 2")


def check_seconds(name: str, value: float | None) -> None:
    """Raises ValueError for what is no time limit."""
    if value is not None and not (isinstance(value, (int, float)) and 0 < value <= _ONE_DAY):
        raise ValueError(f"{name}={value!r}: use seconds, more than 0 and at most a day")


def check_count(name: str, value: int | None) -> None:
    """Raises ValueError for what is no number of requests at once."""
    if value is not None and not (type(value) is int and 1 <= value <= MAX_CONCURRENCY):
        raise ValueError(f"{name}={value!r}: use a whole number from 1 to {MAX_CONCURRENCY}")
