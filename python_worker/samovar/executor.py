"""Runs the requests of a bundle: the fast path. No sockets here; replies go to a function."""

import gc
import time
from collections.abc import Callable
from typing import Any

from samovar import attached, explain, wire
from samovar.board import LAST_STARTED, STARTED_NS, Words
from samovar.bundles import REPLY_HEAD, REQUEST_ITEM, attachments_of
from samovar.structure import SCALARS
from samovar.replies import Frames, ReplyEncoder
from samovar.service import Service
from samovar.wire import Message

# Replies wait for the rest of their bundle for at most this long (and for the request that then runs).
FLUSH_NS = 200_000
_BEHIND_HEADER = slice(1, None)  # of an array of six: what a piece has not


class Executor:
    """Calls the handlers of one service for one broker, one at a time, in the thread that calls run().

    `send` takes the frames of one message. `session` is that of the broker on the board: it shows a supervisor what runs.
    """

    def __init__(
        self,
        service: Service,
        name: str,
        session: Words,
        send: Callable[[Frames], None],
        hide_tracebacks: bool = False,
    ) -> None:
        self.encoder = ReplyEncoder()
        self._handlers = {f"{name}.{key}": item.function for key, item in service.methods.items()}
        self._board = session
        self._send = send
        self._hide_tracebacks = hide_tracebacks
        # A copy of a map of scalars stays as it is, unless one is a bytearray. Looking at every value would cost
        # more than copies save: a method's first map decides whether its maps are copied or encoded at once.
        self._copied: set[str] = set()
        self._not_copied: set[str] = set()

    def run(
        self,
        message: Message,
        received_ns: int,
        sent_ns: int,
        frames: list[attached.Frame] | None = None,
    ) -> None:
        """Runs a decoded REQUEST's items in order and sends a reply for each.

        `received_ns` is now; `sent_ns` is when the items' timeouts began. Both are CLOCK_MONOTONIC.
        `frames` are the message's attachments. Raises TypeError or ValueError for a message that
        decode_requests() would have refused; what has run by then has been answered or not.
        """
        clock = time.monotonic_ns
        # What holds only scalars is not tracked by the collector: no cheaper way to see that nothing is nested.
        # (Neither are some nested tuples of constants: nobody's are 60 levels deep.)
        is_nested = gc.is_tracked
        copied = self._copied
        scalars = SCALARS
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
        head = [wire.VERSION, wire.REPLY, message[2]]
        replies: list[Any] = [*head]  # those that no later call can change: encoded together
        pieces: list[bytes] = []  # the others
        behind_header = _BEHIND_HEADER
        value: Any
        items = iter(message)
        next(items), next(items), next(items), next(items)  # behind the head
        for id_, attempt, _flags, timeout_us, method, args, kwargs, ext in zip(
            *[items] * REQUEST_ITEM
        ):
            if ext is not None:
                attached.set_running(_take(ext, frames))
            if started > safe_until and started > sent_ns + 1000 * timeout_us:
                late_us = (started - sent_ns) // 1000 - timeout_us
                status, value = explain.expired(late_us)
                replies += (id_, attempt, status, 0, value, None)
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
                method = str(method)
            now = clock()
            run_us = (now - started) // 1000
            started = now
            kind = type(value)
            if kind is dict and method in copied and not is_nested(value):
                # A copy: others may hold it, and a later call may change it.
                replies += (id_, attempt, status, run_us, value.copy(), None)
            elif kind in scalars:
                replies += (id_, attempt, status, run_us, value, None)
            else:
                # At once: others may hold it, or something in it.
                reply = (id_, attempt, status, run_us, value, None)
                try:
                    packed = pack(reply)
                    if len(packed) > large or is_nested(value):
                        packed = encoder.checked(reply, packed, method)
                        if len(packed) > large:
                            started = clock()
                    elif kind is dict and status == ok:
                        self._look_at(method, value)
                except Exception:  # whatever a result's type made msgpack raise
                    packed = encoder.odd(reply, method)
                    if encoder.buffers:
                        flush_at = 0
                pieces.append(packed[behind_header])
            if ext is not None:
                attached.set_running([])
            if now > flush_at:
                self._flush(message, replies, pieces)
                replies = [*head]
                pieces = []
                started = clock()
                flush_at = started + FLUSH_NS
                board[STARTED_NS] = started
        self._flush(message, replies, pieces)

    def _flush(self, message: Message, replies: list[Any], pieces: list[bytes]) -> None:
        self._board[STARTED_NS] = 0
        if pieces or len(replies) > REPLY_HEAD:
            for frames in self.encoder.messages(replies, pieces, message):
                self._send(frames)

    def _look_at(self, method: str, value: dict[Any, Any]) -> None:
        """Decides, by its first map of scalars, how a method's maps are encoded."""
        if method not in self._not_copied:
            has_buffers = bytearray in map(type, value.values())
            (self._not_copied if has_buffers else self._copied).add(method)

    def _failed(self, error: BaseException, method: Any, args: Any, kwargs: Any) -> explain.Failure:
        return explain.call_failed(
            error, method, args, kwargs, self._handlers, self._hide_tracebacks
        )


def _take(ext: Any, frames: list[attached.Frame] | None) -> list[attached.Frame]:
    """Takes an item's attachments off the front of `frames`."""
    if not frames:
        return []
    count = attachments_of(ext)
    taken = frames[:count]
    del frames[:count]
    return taken
