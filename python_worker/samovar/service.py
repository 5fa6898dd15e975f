"""What an application declares: a service and its methods."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from samovar.hooks import H, Hooks

Handler = Callable[..., Any]
F = TypeVar("F", bound=Handler)

# PROTOCOL.md 4.1: "service.method" has at most 255 bytes of these letters; the last dot divides it.
MAX_NAME = 255
MAX_METHODS = 1024
_SERVICE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_METHOD_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Method:
    """One method: its name without the service, the function, and what callers may assume of it."""

    name: str
    function: Handler
    idempotent: bool


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
    A worker runs its methods one at a time, in its only thread.
    """

    def __init__(self, name: str) -> None:
        check_service_name(name)
        self.name = name
        self.methods: dict[str, Method] = {}
        self.hooks = Hooks()
        self.state: Any = None  # what the load hook returned

    @overload
    def method(self, function: F, /) -> F:
        ...

    @overload
    def method(self, /, *, name: str | None = None, idempotent: bool = False) -> Callable[[F], F]:
        ...

    def method(
        self,
        function: F | None = None,
        /,
        *,
        name: str | None = None,
        idempotent: bool = False,
    ) -> F | Callable[[F], F]:
        """Offers a function to callers, and returns it unchanged.

        Used as `@service.method` or `@service.method(idempotent=True, name="other")`. `idempotent` says
        that running it twice does no harm: the broker then runs it again when a worker died under it.
        What the function returns is encoded soon, not at once: lists and maps may be changed afterwards, but
        a bytearray must not be; return bytes(buffer) of one that is used again.
        Raises ValueError for a name that cannot go over the wire or that is taken, TypeError for what
        cannot be served.
        """

        def offer(function: F) -> F:
            self._add(function, name, idempotent)
            return function

        return offer if function is None else offer(function)

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

    def _add(self, function: Handler, name: str | None, idempotent: bool) -> None:
        if not callable(function):
            raise TypeError(
                f"service {self.name!r}: method() decorates a function, but got {function!r}; "
                "for options write @service.method(name=..., idempotent=...)"
            )
        if name is None:
            name = getattr(function, "__name__", None)
            if name is None:
                raise TypeError(f"service {self.name!r}: {function!r} has no name: give name=...")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"service {self.name!r}: {name!r} is async, but a worker calls plain functions; "
                "wrap it in one that uses asyncio.run()"
            )
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
        self.methods[name] = Method(name, function, idempotent)

    def __repr__(self) -> str:
        return f"Service({self.name!r}, methods={sorted(self.methods)})"
