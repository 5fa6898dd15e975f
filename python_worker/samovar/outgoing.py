"""One call of a client, as it is made and as it goes over the wire. What becomes of calls is in calls.py."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from samovar import wire
from samovar.arrays import default_for
from samovar.attached import WithAttachments
from samovar.bundles import is_method
from samovar.errors import Error

NO_DEADLINE = float("inf")

_pack = wire.new_packer().pack


@dataclass(frozen=True)
class Options:
    """How a call is made. `timeout` in seconds; None: what the method says, else what the broker says."""

    timeout: float | None = None
    idempotent: bool = False
    priority: int | None = None
    metadata: bool = False
    window: int = wire.DEFAULT_WINDOW  # of a stream: items that may come before they are taken
    traceparent: str = ""  # W3C trace context; the handler sees it


@dataclass(frozen=True)
class Reply:
    """A result with what came beside it. Times in seconds; `queued` and `worker` only with Options.metadata."""

    value: Any
    attachments: list[bytes]
    attempt: int
    running: float
    queued: float | None
    worker: str | None


@dataclass(eq=False)
class Call:
    """One call. `reply` or `error` is there when it is `done`; `items` holds those of a stream that were not taken."""

    method: str
    tail: bytes
    buffers: list[Any]
    options: Options
    endpoint: str
    is_stream: bool = False
    deadline: float = NO_DEADLINE
    id: int = 0
    attempt: int = 0  # 0: it was never sent
    sent: bool = False
    done: bool = False
    reply: Reply | None = None
    error: Error | None = None
    items: deque[Any] = field(default_factory=deque)
    came: int = 0  # items so far
    window: int = 0  # as it was said last

    @property
    def size(self) -> int:
        return len(self.tail) + sum(len(buffer) for buffer in self.buffers)

    def result(self) -> Reply:
        """Raises Error."""
        if self.error is not None:
            raise self.error
        assert self.reply is not None
        return self.reply


def new_call(
    endpoint: str,
    method: str,
    args: Any,
    kwargs: dict[str, Any],
    options: Options,
    attachments: Any = (),
    is_stream: bool = False,
) -> Call:
    """Raises Error (bad_request) for a name that is none, and TypeError or ValueError for what cannot be encoded."""
    if not is_method(method):
        why = f"{method[:80]!r} is not a method's name: write SERVICE.METHOD"
        raise Error("bad_request", {"message": why, "where": "client"}, method, endpoint)
    buffers = WithAttachments(None, attachments).buffers
    packer = wire.new_packer(default_for(buffers))
    body = packer.pack(list(args)) + packer.pack(kwargs or None)
    ext: dict[str, int | str] = {}
    if buffers:
        ext["attachments"] = len(buffers)
    if options.priority is not None:
        ext["priority"] = options.priority
    if options.traceparent:
        ext["traceparent"] = options.traceparent
    if is_stream and options.window != wire.DEFAULT_WINDOW:
        ext["window"] = options.window
    tail = _pack(method) + body + _pack(ext or None)
    return Call(
        method,
        tail,
        buffers,
        options,
        endpoint,
        is_stream,
        window=options.window if is_stream else 0,
    )
