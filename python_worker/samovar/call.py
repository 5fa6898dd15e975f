"""A request that a worker holds, from its arrival until its reply."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samovar import wire
from samovar.attached import Frame
from samovar.context import Context
from samovar.explain import Stop
from samovar.method import Method

if TYPE_CHECKING:
    from samovar.link import Link


@dataclass(slots=True, eq=False)
class Call:
    """One request. Times are CLOCK_MONOTONIC nanoseconds."""

    link: "Link"  # to the broker that sent it
    id: int
    attempt: int
    flags: int
    deadline_ns: int
    name: str  # "service.method"
    method: Method
    args: list[Any]
    kwargs: dict[str, Any] | None
    ext: dict[str, Any] | None
    frames: list[Frame]
    window: int = 0  # of a stream: how many items it may have sent in all
    started_ns: int = (
        0  # when it began, or when its current turn did; 0: not yet, or it waits for its reader
    )
    run_ns: int = 0  # of its turns before
    stop: Stop | None = None  # why it is to end early
    context: Context | None = None

    def begin(self, service: Any, listen: Callable[[], None] | None) -> tuple[Any, ...]:
        """Makes the context if the handler wants one; returns the positional arguments."""
        if not self.method.wants_context:
            return tuple(self.args)
        self.context = Context(
            self.id,
            self.attempt,
            self.name,
            self.deadline_ns / 1e9,
            self.ext,
            self.link.session,
            service,
            listen,
        )
        return (self.context, *self.args)


def window_of(ext: dict[str, Any] | None) -> int:
    """How many items a stream may send before the first WINDOW."""
    window = ext.get("window") if ext else None
    if not wire.is_uint(window) or not 1 <= window <= wire.MAX_WINDOW:  # type: ignore[operator]
        return wire.DEFAULT_WINDOW
    return int(window)  # type: ignore[arg-type]
