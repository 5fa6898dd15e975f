"""Replies to bytes: one pack for a whole list of them, item by item only where that does not do.

A list of replies is flat, as in a REPLY behind its head: id, attempt, status, run_us, value, ext, id, ...
"""

import gc
from collections.abc import Callable
from typing import Any

from samovar import explain, wire
from samovar.attached import WithAttachments
from samovar.bundles import REPLY_HEAD, REPLY_ITEM, SCALARS, too_deep

Frames = list[Any]  # of one message: bytes, then the buffers of attachments

# A value's levels come below the message's own array.
MAX_VALUE_DEPTH = wire.MAX_DEPTH - 1
_HEAD_BYTES = 5 + 1 + 1 + 9  # array header, version, kind, epoch: the most that they take
# A packer keeps the memory of the largest message that it made; beyond this a new one is cheaper to hold.
_KEEP_PACKER_BYTES = 8 << 20


class ReplyEncoder:
    """Collects replies and makes REPLY messages of at most `max_body` bytes each. Not thread-safe."""

    def __init__(self) -> None:
        self.max_body = 1 << 20  # until the broker's HELLO has told it
        self._packer = wire.new_packer()
        self._epoch = -1  # the one that _head_of_epoch was made for
        self._head_of_epoch = b""
        self._finished: list[tuple[int, list[bytes], list[memoryview]]] = []
        self._begin_message()

    def _begin_message(self) -> None:
        self._items = 0
        self._pieces: list[bytes] = []
        self._buffers: list[memoryview] = []
        self._size = _HEAD_BYTES

    def add(self, replies: list[Any], method_of: Callable[[int], str]) -> None:
        """Encodes these replies now, so that their values may change afterwards.

        A result that cannot be sent becomes an error of its own item; nothing is raised for it.
        `method_of` names the method of a request id, for such errors.
        """
        values = replies[4::REPLY_ITEM]
        try:
            packed = self._pack(replies)
        except Exception:  # whatever a result's type made msgpack raise
            return self._add_each(replies, method_of)
        # Dicts that hold only scalars are not tracked by the collector: the cheapest way to see that nothing
        # is nested. (Neither are some nested tuples of constants: nobody's are 60 levels deep.)
        if not SCALARS.issuperset(map(type, values)) and too_deep(
            filter(gc.is_tracked, values), MAX_VALUE_DEPTH
        ):
            return self._add_each(replies, method_of)
        if _HEAD_BYTES + len(packed) > self.max_body:
            return self._add_each(replies, method_of)
        self._append(len(values), packed[_array_header_bytes(len(replies)) :], [])

    def take(self, epoch: int) -> list[Frames]:
        """The messages that hold all that was added, which is then forgotten."""
        self._finish_message()
        finished, self._finished = self._finished, []
        return [[self._head(epoch, items, pieces), *rest] for items, pieces, rest in finished]

    def _head(self, epoch: int, items: int, pieces: list[bytes]) -> bytes:
        if epoch != self._epoch:
            self._epoch, self._head_of_epoch = (
                epoch,
                self._pack([wire.VERSION, wire.REPLY, epoch])[1:],
            )
        header = _array_header(REPLY_HEAD + REPLY_ITEM * items)
        return b"".join([header, self._head_of_epoch, *pieces])

    def _pack(self, value: Any) -> bytes:
        packed: bytes = self._packer.pack(value)
        if len(packed) > _KEEP_PACKER_BYTES:
            self._packer = wire.new_packer()
        return packed

    def _append(self, items: int, piece: bytes, buffers: list[memoryview]) -> None:
        size = len(piece)
        if buffers:
            size += sum(buffer.nbytes for buffer in buffers)
        if self._size + size > self.max_body:
            self._finish_message()
        self._items += items
        self._pieces.append(piece)
        self._buffers += buffers
        self._size += size

    def _finish_message(self) -> None:
        if self._items:
            self._finished.append((self._items, self._pieces, self._buffers))
            self._begin_message()

    def _add_each(self, replies: list[Any], method_of: Callable[[int], str]) -> None:
        for start in range(0, len(replies), REPLY_ITEM):
            self._add_one(replies[start : start + REPLY_ITEM], method_of)

    def _add_one(self, reply: list[Any], method_of: Callable[[int], str]) -> None:
        request, attempt, status, run_us, value, ext = reply
        buffers: list[memoryview] = []
        if type(value) is WithAttachments:
            buffers, value = value.buffers, value.value
            ext = {**(ext or {}), "attachments": len(buffers)}
        failure = None
        packed = b""
        try:
            packed = self._pack([request, attempt, status, run_us, value, ext])
        except Exception as error:
            failure = explain.result_not_encodable(method_of(request), value, error)
        else:
            size = _HEAD_BYTES + len(packed) + sum(buffer.nbytes for buffer in buffers)
            if too_deep([value], MAX_VALUE_DEPTH):
                failure = explain.result_too_deep(method_of(request))
            elif size > self.max_body:
                failure = explain.result_too_large(method_of(request), size, self.max_body)
        if failure is not None:
            packed, buffers = (
                self._pack([request, attempt, failure[0], run_us, failure[1], None]),
                [],
            )
        self._append(1, packed[_array_header_bytes(REPLY_ITEM) :], buffers)


def _array_header(elements: int) -> bytes:
    """msgpack's header of an array. (A Packer writes it, too, but brings a buffer of 1 MiB.)"""
    if elements < 16:
        return bytes((0x90 | elements,))
    if elements < 65536:
        return b"\xdc" + elements.to_bytes(2, "big")
    return b"\xdd" + elements.to_bytes(4, "big")


def _array_header_bytes(elements: int) -> int:
    return 1 if elements < 16 else 3 if elements < 65536 else 5
