"""One call of a client, as it is made and as it goes over the wire. What becomes of calls is in calls.py."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgpack

from samovar import wire
from samovar.arrays import default_for
from samovar.attached import WithAttachments
from samovar.bundles import is_method
from samovar.errors import Error

if TYPE_CHECKING:
    from samovar.broker import Broker

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
    affinity: str = ""  # calls with the same one prefer the same worker


@dataclass(frozen=True)
class Reply:
    """A result with what came beside it. Times in seconds; `queued` and `worker` only with Options.metadata."""

    value: Any
    attachments: list[bytes]
    attempt: int
    running: float
    queued: float | None
    worker: str | None
    endpoint: str  # of the broker


@dataclass(eq=False)
class Call:
    """One call. `reply` or `error` is there when it is `done`; `items` holds those of a stream that were not taken."""

    method: str
    tail: bytes
    buffers: list[Any]
    options: Options
    is_stream: bool = False
    deadline: float = NO_DEADLINE
    id: int = 0
    attempt: int = 0  # 0: it was never sent
    broker: "Broker | None" = None  # that has it; None: it waits, or has ended
    sent_at: float = 0.0
    lost: bool = False  # a broker that held it went away: it may have run
    tried: "frozenset[Broker]" = frozenset()  # those that refused it
    done: bool = False
    reply: Reply | None = None
    error: Error | None = None
    items: deque[Any] = field(default_factory=deque)
    came: int = 0  # items so far
    window: int = 0  # as it was said last

    @property
    def size(self) -> int:
        return len(self.tail) + sum(len(buffer) for buffer in self.buffers)

    def head(self, now: float) -> tuple[int, ...]:
        """As it is to be sent next: its id, attempt, flags, and the microseconds that are left, or 0."""
        options = self.options
        flags = (
            (wire.FLAG_IDEMPOTENT if options.idempotent else 0)
            | (wire.FLAG_METADATA if options.metadata else 0)
            | (wire.FLAG_STREAM if self.is_stream else 0)
        )
        left = 0 if options.timeout is None else max(int((self.deadline - now) * 1e6), 1)
        return self.id, self.attempt + 1, flags, left

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
    if options.affinity:
        ext["affinity"] = options.affinity
    if is_stream and options.window != wire.DEFAULT_WINDOW:
        ext["window"] = options.window
    tail = _pack(method) + body + _pack(ext or None)
    return Call(
        method,
        tail,
        buffers,
        options,
        is_stream,
        window=options.window if is_stream else 0,
    )


def request_frames(
    epoch: int, sent_us: int, items: Sequence[tuple[tuple[int, ...], bytes]]
) -> list[Any]:
    """A message of requests: of each its id, attempt, flags and microseconds that are left, and its tail."""
    packer = msgpack.Packer(autoreset=False)
    packer.pack_array_header(4 + 8 * len(items))
    for number in (wire.VERSION, wire.REQUEST, epoch, sent_us):
        packer.pack(number)
    parts = [packer.bytes()]
    for head, tail in items:
        parts += [_pack(number) for number in head]
        parts.append(tail)
    return [b"".join(parts)]
