"""Runs the requests of a bundle: the fast path. No sockets here; replies go to a function."""

import gc
import time
from collections.abc import Callable
from typing import Any

from samovar import attached, explain, wire
from samovar.board import LAST_STARTED, STARTED_NS, Slot
from samovar.bundles import REQUEST_HEAD, REQUEST_ITEM, attachments_of
from samovar.replies import Frames, ReplyEncoder
from samovar.service import Service
from samovar.wire import Message

# Replies wait for the rest of their bundle for at most this long (and for the request that then runs).
FLUSH_NS = 200_000


class Executor:
    """Calls the handlers of one service, one at a time, in the thread that calls run().

    `send` takes the frames of one message. `board` shows a supervisor what runs.
    """

    def __init__(
        self,
        service: Service,
        name: str,
        board: Slot,
        send: Callable[[Frames], None],
        hide_tracebacks: bool = False,
    ) -> None:
        self.encoder = ReplyEncoder()
        self._handlers = {f"{name}.{key}": item.function for key, item in service.methods.items()}
        self._board = board.words
        self._send = send
        self._hide_tracebacks = hide_tracebacks

    def run(
        self,
        message: Message,
        received_ns: int,
        sent_ns: int,
        frames: list[bytes] | None = None,
    ) -> None:
        """Runs a decoded REQUEST's items in order and sends a reply for each.

        `received_ns` is now; `sent_ns` is when the items' timeouts began. Both are CLOCK_MONOTONIC.
        `frames` are the message's attachments. Raises TypeError or ValueError for a message that
        decode_requests() would have refused; what has run by then has been answered or not.
        """
        clock = time.monotonic_ns
        is_nested = gc.is_tracked
        ok = wire.OK
        handlers = self._handlers
        board = self._board
        failed = self._failed
        encoder = self.encoder
        pack = encoder.pack
        large = encoder.large
        started = received_ns
        flush_at = started + FLUSH_NS
        # Once for all that begin before flush_at: the board allows for that.
        board[STARTED_NS] = started
        # Before this no deadline passes: the usual case costs one comparison for each item.
        safe_until = sent_ns + 1000 * min(message[7::REQUEST_ITEM])
        pieces: list[bytes] = []
        value: Any
        items = iter(message)
        for _ in range(REQUEST_HEAD):
            next(items)
        for id_, attempt, _flags, timeout_us, method, args, kwargs, ext in zip(
            *[items] * REQUEST_ITEM
        ):
            if ext is not None:
                attached.set_running(_take(ext, frames))
            if started > safe_until and started > sent_ns + 1000 * timeout_us:
                late_us = (started - sent_ns) // 1000 - timeout_us
                status, value = explain.expired(late_us)
                pieces.append(pack((id_, attempt, status, 0, value, None))[1:])
                continue
            board[LAST_STARTED] = id_
            try:
                # A KeyError for an unknown method: told apart in failed(), where it costs nothing here.
                if kwargs:
                    value = handlers[method](*args, **kwargs)
                else:
                    value = handlers[method](*args)
                status = ok
            except BaseException as error:  # SystemExit, too, is an answer and not an exit
                status, value = failed(error, method, args, kwargs)
            now = clock()
            reply = (id_, attempt, status, (now - started) // 1000, value, None)
            started = now
            # At once: others may hold the result, or something in it, and a later call may change it. What holds
            # only scalars is not tracked by the collector: the cheapest way to see that nothing is nested.
            try:
                packed = pack(reply)
                if len(packed) > large or is_nested(value):
                    packed = encoder.checked(reply, packed, method)
                    started = clock()
            except Exception:  # whatever a result's type made msgpack raise
                packed = encoder.odd(reply, method)
                if encoder.buffers:
                    flush_at = 0
            pieces.append(packed[1:])  # behind the header of an array of six
            if ext is not None:
                attached.set_running([])
            if now > flush_at:
                self._flush(message, pieces)
                pieces = []
                started = clock()
                flush_at = started + FLUSH_NS
                board[STARTED_NS] = started
        self._flush(message, pieces)

    def _flush(self, message: Message, pieces: list[bytes]) -> None:
        self._board[STARTED_NS] = 0
        if pieces:
            for frames in self.encoder.messages(message[2], pieces):
                self._send(frames)

    def _failed(self, error: BaseException, method: Any, args: Any, kwargs: Any) -> explain.Failure:
        return explain.call_failed(
            error, method, args, kwargs, self._handlers, self._hide_tracebacks
        )


def _take(ext: Any, frames: list[bytes] | None) -> list[bytes]:
    """Takes an item's attachments off the front of `frames`."""
    if not frames:
        return []
    count = attachments_of(ext)
    taken = frames[:count]
    del frames[:count]
    return taken

