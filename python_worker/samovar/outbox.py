"""What leaves a worker beside the fast path: replies and items of streams, bundled until flush()."""

from collections.abc import Callable
from typing import Any

from samovar import explain, wire
from samovar.call import Call
from samovar.replies import Frames, ReplyEncoder

# Beyond this a message could hold more than MAX_BUNDLE items.
_MOST = wire.MAX_BUNDLE - 1


class Outbox:
    """Replies and items in the order in which they were added; a stream's items before its reply. Not thread-safe.

    `send` takes the frames of one message.
    """

    def __init__(self, encoder: ReplyEncoder, send: Callable[[Frames], None]) -> None:
        self.epoch = 0  # of the session; 0: what is added is dropped
        self._encoder = encoder
        self._send = send
        self._items: list[bytes] = []
        self._replies: list[bytes] = []

    def reply(self, call: Call, status: int, value: Any, now_ns: int) -> None:
        """The outcome of a call. It is encoded at once: `value` may change afterwards, its buffers at flush()."""
        run_ns = call.run_ns + (now_ns - call.started_ns if call.started_ns else 0)
        reply = (call.id, call.attempt, status, run_ns // 1000, value, None)
        encoder = self._encoder
        try:
            packed = encoder.checked(reply, encoder.pack(reply), call.name)
        except Exception:  # whatever a result's type made msgpack raise
            packed = encoder.odd(reply, call.name)
        self._replies.append(packed[1:])
        if encoder.buffers:
            self._flush_replies()
        elif len(self._replies) >= _MOST:
            self.flush()

    def item(self, call: Call, seq: int, value: Any) -> explain.Failure | None:
        """An item of a stream; or why it cannot be sent, which is to end the stream."""
        piece = self._encoder.item((call.id, call.attempt, seq, value, None), call.name)
        if not isinstance(piece, bytes):
            return piece
        self._items.append(piece)
        if self._encoder.buffers or len(self._items) >= _MOST:
            self._flush_items()
        return None

    def flush(self) -> None:
        """Sends what is there."""
        if self._items:
            self._flush_items()
        if self._replies:
            self._flush_replies()

    def _flush_items(self) -> None:
        items, self._items = self._items, []
        self._send_all(wire.ITEMS, items)

    def _flush_replies(self) -> None:
        if self._items:
            buffers, self._encoder.buffers = self._encoder.buffers, []
            self._flush_items()
            self._encoder.buffers = buffers
        replies, self._replies = self._replies, []
        self._send_all(wire.REPLY, replies)

    def _send_all(self, kind: int, pieces: list[bytes]) -> None:
        messages = self._encoder.bundle(kind, self.epoch, pieces)
        if self.epoch:
            for frames in messages:
                self._send(frames)
