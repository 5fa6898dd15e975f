"""Large buffers that travel beside a call, outside its msgpack body: neither encoded nor copied into it."""

import contextvars
from collections.abc import Iterable
from typing import Any

# PROTOCOL.md 7: each attachment is a ZeroMQ frame of its own.
MAX_ATTACHMENTS = 64

# As it was received: bytes, or a zmq.Frame, which has `bytes` (a copy) and `buffer` (none).
Frame = Any

_running: list[Frame] = []  # of the call that runs in the worker's loop
_running_id = 0  # its id; 0: none, or not said
# The frames and the id of the call that runs in this task or thread.
_own: contextvars.ContextVar[tuple[list[Frame], int] | None] = contextvars.ContextVar(
    "samovar_attachments", default=None
)


def attachments() -> list[bytes]:
    """The buffers that the caller attached to the running call, in its order; empty if there are none.

    Valid from when a handler is called until it returns; keep a copy of the list for later. Arrays among the
    arguments have their buffers here, too. May be called in the thread or task in which the handler was called.
    """
    own = _own.get()
    frames = _running if own is None else own[0]
    return [frame if type(frame) is bytes else frame.bytes for frame in frames]


class WithAttachments:
    """A handler's result that carries buffers: `return WithAttachments({"shape": shape}, [array])`.

    `value` is encoded as usual. `buffers` are bytes, or any object with a contiguous buffer, which must not
    change until the reply is sent (soon after the handler has returned). Raises TypeError or ValueError for
    what cannot be sent.
    """

    __slots__ = ("value", "buffers")

    def __init__(self, value: Any, buffers: Iterable[Any]) -> None:
        self.value = value
        self.buffers: list[memoryview] = []
        for number, buffer in enumerate(buffers):
            try:
                view = memoryview(buffer)
            except TypeError:
                raise TypeError(
                    f"attachment {number} is of type {type(buffer).__name__}, which has no buffer: "
                    "give bytes, bytearray, memoryview or an array"
                ) from None
            if not view.c_contiguous:
                raise ValueError(f"attachment {number} is not contiguous: give a copy of it")
            self.buffers.append(byte_view(view))
        if len(self.buffers) > MAX_ATTACHMENTS:
            raise ValueError(
                f"{len(self.buffers)} attachments are more than the {MAX_ATTACHMENTS} that a reply may have"
            )


def byte_view(buffer: Any) -> memoryview:
    """The bytes of a contiguous buffer."""
    view = memoryview(buffer)
    return view.cast("B") if view.nbytes else memoryview(b"")


def buffer_of(frame: Frame) -> memoryview:
    """A received frame's bytes, read-only, without a copy."""
    view = memoryview(frame if type(frame) is bytes else frame.buffer)
    return view.toreadonly()


def running_request() -> int:
    """The id of the request that this thread or task runs; 0: none, or one of the fast path, which the board names."""
    own = _own.get()
    return _running_id if own is None else own[1]


def set_running(buffers: list[Frame], request_id: int = 0) -> None:
    """For the worker's loop: what attachments() and running_request() give until the next call of this."""
    global _running, _running_id
    _running = buffers
    _running_id = request_id


def set_own(buffers: list[Frame], request_id: int) -> None:
    """What they give in this thread, or in this task, from now on."""
    _own.set((buffers, request_id))
