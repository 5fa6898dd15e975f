"""What an app asks to be called for in a worker's life, beside its methods.

    load             once, before workers are forked; what it returns becomes service.state
    warm_up          once, after load: the pool serves only when it has passed
    on_worker_start  in each worker, after the fork: connections, threads, random seeds
    health_check     in each worker, every few seconds while nothing runs
    on_stop          in each worker, when it has answered its last request

With --no-preload, and where forking is not safe, load and warm_up run in each worker.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Hook = Callable[[], Any]
H = TypeVar("H", bound=Hook)


class HookFailed(Exception):
    """A hook raised, or said no. The text is one sentence; __cause__ is what it raised, if it did."""

    service: str | None = None  # under which name it would have served


class Hooks:
    """A service's hooks, each at most once. They take no arguments. Not thread-safe: declare at import."""

    def __init__(self) -> None:
        self._hooks: dict[str, Hook] = {}

    def add(self, name: str, hook: H) -> H:
        """Raises TypeError for what cannot be called, ValueError for a second hook of the same name."""
        if not callable(hook):
            raise TypeError(f"@service.{name} decorates a function, but got {hook!r}")
        if name in self._hooks:
            raise ValueError(f"the service has a {name} hook already ({self._hooks[name]!r})")
        self._hooks[name] = hook
        return hook

    def __contains__(self, name: str) -> bool:
        return name in self._hooks

    def run(self, name: str) -> Any:
        """Runs a hook and returns its result; None if there is none. Raises HookFailed."""
        hook = self._hooks.get(name)
        if hook is None:
            return None
        try:
            return hook()
        except (
            BaseException
        ) as error:  # SystemExit, too: a hook does not end the process in silence
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise HookFailed(f"{name} raised {what}") from error
