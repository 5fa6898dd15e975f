"""What an application declares: a service and its methods."""

import re
from collections.abc import Callable
from typing import Any, TypeVar, overload

from samovar.hooks import H, Hooks
from samovar.method import (
    Batch,
    Handler,
    Kind,
    Method,
    check_count,
    check_priority,
    check_seconds,
    kind_of,
    wants_context,
)

F = TypeVar("F", bound=Handler)

# PROTOCOL.md 4.1: "service.method" has at most 255 bytes of these letters; the last dot divides it.
MAX_NAME = 255
MAX_METHODS = 1024
_SERVICE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_METHOD_NAME = re.compile(r"[A-Za-z0-9_-]+")


def check_service_name(name: str) -> None:
    """Raises ValueError when `name` cannot be the name of a service."""
    if not isinstance(name, str) or not _SERVICE_NAME.fullmatch(name) or len(name) > MAX_NAME - 2:
        raise ValueError(
            f"{name!r} cannot name a service: use 1 to {MAX_NAME - 2} letters a-z A-Z, digits, _ - ."
        )
    if name == "samovar":
        raise ValueError("the service 'samovar' is the broker's own: choose another name")


class Service:
    """A named set of functions that callers reach as `name.function`.

    Declare it while the module is imported; it is read, and no longer changed, once a worker serves it.

    A worker runs plain functions one at a time, in its main thread. `async def` handlers run many at once in an
    event loop, functions with threads=... in threads, generators between the others' turns: docs/handlers.md.
    `concurrency` (1 to 256) is how many requests a worker runs and holds at once, of all methods together; without
    it the largest of: 64 for async handlers, `threads` of functions in threads, 16 for generators, `max_size`
    of batches, 1. `threads` is for all plain functions that do not say their own. Raises ValueError.
    """

    def __init__(
        self, name: str, *, concurrency: int | None = None, threads: int | None = None
    ) -> None:
        check_service_name(name)
        check_count("concurrency", concurrency)
        check_count("threads", threads)
        self.name = name
        self.methods: dict[str, Method] = {}
        self.hooks = Hooks()
        self.state: Any = None  # what the load hook returned
        self.schema: dict[str, Any] | None = None  # once prepared, if it fits a message
        self._concurrency = concurrency
        self._threads = threads

    @property
    def concurrency(self) -> int:
        """How many requests one worker runs at once."""
        if self._concurrency is not None:
            return self._concurrency
        return max((method.concurrency for method in self.methods.values()), default=1)

    @property
    def needs_scheduler(self) -> bool:
        """Whether it has more than plain functions without hard limits of their own."""
        return any(not each.is_simple or each.hard_ms for each in self.methods.values())

    @property
    def needs_event_loop(self) -> bool:
        return any(method.kind.needs_event_loop for method in self.methods.values())

    @overload
    def method(self, function: F, /) -> F:
        ...

    @overload
    def method(
        self,
        /,
        *,
        name: str | None = None,
        idempotent: bool = False,
        pure: bool = False,
        priority: int | str | None = None,
        timeout: float | None = None,
        hard_timeout: float | None = None,
        threads: int | None = None,
    ) -> Callable[[F], F]:
        ...

    def method(
        self,
        function: F | None = None,
        /,
        *,
        name: str | None = None,
        idempotent: bool = False,
        pure: bool = False,
        priority: int | str | None = None,
        timeout: float | None = None,
        hard_timeout: float | None = None,
        threads: int | None = None,
    ) -> F | Callable[[F], F]:
        """Offers a function to callers, and returns it unchanged.

        Used as `@service.method` or `@service.method(idempotent=True, name="other")`.

        name          what callers say; the function's own without it
        idempotent    running it twice does no harm: it is run again when a worker died under it
        pure          equal arguments have equal results: equal calls that are outstanding together are run once
        priority      "urgent", "normal" or "bulk", for calls that give none
        timeout       seconds, for calls that give none
        hard_timeout  seconds after which the supervisor kills the worker that is still at it
        threads       so many of it at once, in threads: for code that releases the GIL

        What a plain function returns is encoded soon, not at once: lists and maps may be changed afterwards, but
        a bytearray must not be; return bytes(buffer) of one that is used again.
        Raises ValueError for a name that cannot go over the wire or that is taken and for numbers out of
        range, TypeError for what cannot be served.
        """

        def offer(function: F) -> F:
            own = self._threads if threads is None and _may_run_in_threads(function) else threads
            self._add(
                function,
                name,
                None,
                own,
                idempotent=idempotent or pure,
                pure=pure,
                priority=check_priority(priority),
                timeout=timeout,
                hard_timeout=hard_timeout,
            )
            return function

        return offer if function is None else offer(function)

    def batch(
        self,
        *,
        max_size: int = 64,
        max_delay_ms: float = 2.0,
        name: str | None = None,
        idempotent: bool = False,
        pure: bool = False,
        priority: int | str | None = None,
        timeout: float | None = None,
        hard_timeout: float | None = None,
        threads: int | None = None,
    ) -> Callable[[F], F]:
        """Offers a function that handles many requests at once: it takes a list and returns one of the same length.

        Callers see a method of one argument, and get their own result. The list has each request's argument; for
        requests with several positional arguments a tuple of them. An Exception in the returned list is the error
        of that one caller; one that is raised is everybody's. A batch takes what is there, at most
        `max_size`, and waits at most `max_delay_ms` for more, never so long that a deadline is in danger.
        The other options are those of method(). The function may be plain, async, or run in threads.
        """
        check_count("max_size", max_size)
        if not (isinstance(max_delay_ms, (int, float)) and 0 <= max_delay_ms <= 60_000):
            raise ValueError(f"max_delay_ms={max_delay_ms!r}: use 0 to 60,000 milliseconds")

        def offer(function: F) -> F:
            self._add(
                function,
                name,
                Batch(max_size, max_delay_ms / 1000),
                threads,
                idempotent=idempotent or pure,
                pure=pure,
                priority=check_priority(priority),
                timeout=timeout,
                hard_timeout=hard_timeout,
            )
            return function

        return offer

    def load(self, hook: H) -> H:
        """Decorates what loads the data, once for all workers. Its result becomes `service.state`."""
        return self.hooks.add("load", hook)

    def warm_up(self, hook: H) -> H:
        """Decorates a trial run. When it raises, no worker of this generation of code and data serves."""
        return self.hooks.add("warm_up", hook)

    def on_worker_start(self, hook: H) -> H:
        """Decorates what each worker does for itself before it serves: connections, threads, seeds."""
        return self.hooks.add("on_worker_start", hook)

    def health_check(self, hook: H) -> H:
        """Decorates a check. A worker for which it raises or returns False is replaced."""
        return self.hooks.add("health_check", hook)

    def on_stop(self, hook: H) -> H:
        """Decorates what a worker does after its last request. What it raises is only logged."""
        return self.hooks.add("on_stop", hook)

    def prepare(self, name: str) -> None:
        """Reads the methods' hints, before it is served as `name`: its schema, and what arguments are made into."""
        from samovar import schema, typed  # they need this module

        self.schema = schema.to_announce(schema.describe(self, name))
        self.methods = {
            key: typed.with_typed_arguments(method) for key, method in self.methods.items()
        }

    def _add(
        self,
        function: Handler,
        name: str | None,
        batch: Batch | None,
        threads: int | None,
        **options: Any,
    ) -> None:
        if not callable(function):
            raise TypeError(
                f"service {self.name!r}: method() decorates a function, but got {function!r}; "
                "for options write @service.method(name=..., idempotent=...)"
            )
        if name is None:
            name = getattr(function, "__name__", None)
            if name is None:
                raise TypeError(f"service {self.name!r}: {function!r} has no name: give name=...")
        self._check_name(name)
        check_count("threads", threads)
        check_seconds("timeout", options["timeout"])
        check_seconds("hard_timeout", options["hard_timeout"])
        kind = kind_of(function, threads or 0)
        context = wants_context(function)
        if batch is not None and (kind.streams or context):
            raise TypeError(
                f"service {self.name!r}: the batch {name!r} serves many requests at once, so it "
                "can neither stream nor take a Context"
            )
        if options["pure"] and kind.streams:
            raise TypeError(
                f"service {self.name!r}: the stream {name!r} cannot be pure: each reader has its own pace"
            )
        self.methods[name] = Method(
            name=name,
            function=function,
            threads=threads or 0,
            kind=kind,
            wants_context=context,
            batch=batch,
            **options,
        )

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not _METHOD_NAME.fullmatch(name):
            raise ValueError(
                f"service {self.name!r}: {name!r} cannot name a method: "
                "use letters a-z A-Z, digits, _ -; give another with @service.method(name=...)"
            )
        if len(self.name) + 1 + len(name) > MAX_NAME:
            raise ValueError(
                f"'{self.name}.{name}' is longer than {MAX_NAME} bytes: shorten one of the two"
            )
        if name in self.methods:
            taken = self.methods[name].function
            raise ValueError(
                f"service {self.name!r} has a method {name!r} already "
                f"({taken.__module__}.{getattr(taken, '__qualname__', taken)}): "
                "rename one, or give it another name with @service.method(name=...)"
            )
        if len(self.methods) == MAX_METHODS:
            raise ValueError(
                f"service {self.name!r} has {MAX_METHODS} methods: no more are allowed"
            )

    def __repr__(self) -> str:
        return f"Service({self.name!r}, methods={sorted(self.methods)})"


def _may_run_in_threads(function: Handler) -> bool:
    return callable(function) and kind_of(function, 0) is Kind.PLAIN
