"""Replies to bytes: those that can wait all together, the others each as soon as it is there; joined into messages.

A *piece* is one encoded reply: its six elements as they stand in a REPLY, without a header of their own. For maps of
100 bytes it costs 0.2 us more than a reply that is encoded together with others, of 0.9 in all.
"""

from typing import Any

from samovar import explain, wire
from samovar.arrays import default_for
from samovar.attached import WithAttachments
from samovar.bundles import (
    REPLY_HEAD,
    REPLY_ITEM,
    REQUEST_HEAD,
    REQUEST_ITEM,
    STREAM_ITEM,
)
from samovar.plain import plain
from samovar.structure import MAX_DEPTH, too_deep
from samovar.wire import Message

Frames = list[Any]  # of one message: bytes, then the buffers of attachments
Reply = tuple[Any, ...]  # id, attempt, status, run_us, value, ext

# A value's levels come below the message's own array.
MAX_VALUE_DEPTH = MAX_DEPTH - 1
_HEAD_BYTES = 5 + 1 + 1 + 9  # array header, version, kind, epoch: the most that they take
# A packer keeps the memory of the largest result that it made; beyond this a new one is cheaper to hold.
_KEEP_PACKER_BYTES = 8 << 20
_LARGE = 1000
# Every byte but those that begin a list or a map.
_NO_CONTAINERS = bytes({*range(256)} - {*range(0x80, 0xA0), *range(0xDC, 0xE0)})


class ReplyEncoder:
    """Encodes replies, and makes REPLY messages of at most `max_body` bytes each. Not thread-safe.

    `pack` is for a Reply; what it gives begins with the header of an array of six, which no piece has. Call
    odd() if it raised, and checked() if it made more than `large` bytes or if something may be nested in the value.
    """

    def __init__(self) -> None:
        self.pack = wire.new_packer(plain).pack
        self.buffers: list[memoryview] = []  # attachments of the reply that ends the next message
        self.max_body = 1 << 20  # until the broker's HELLO has told it

    @property
    def max_body(self) -> int:
        """Bytes that one message may have, attachments included."""
        return self._max_body

    @max_body.setter
    def max_body(self, size: int) -> None:
        self._max_body = size
        self.large = min(_LARGE, size - _HEAD_BYTES)

    def checked(self, reply: Reply, packed: bytes, method: str, attached: int = 0) -> bytes:
        """`packed`, or an error in its place if it is too large or nested too deeply to be sent."""
        failure = self._why_not(reply[4], packed, method, attached)
        if failure is None:
            return packed
        self.buffers = []
        return self._failed(reply, failure)

    def _why_not(
        self, value: Any, packed: bytes, method: str, attached: int
    ) -> explain.Failure | None:
        if len(packed) <= self.large and not attached and not _may_be_deep(packed):
            return None
        if len(packed) > _KEEP_PACKER_BYTES:
            self.pack = wire.new_packer(plain).pack
        size = _HEAD_BYTES + len(packed) + attached
        if size > self._max_body:
            return explain.result_too_large(method, size, self._max_body)
        if _may_be_deep(packed) and too_deep([value], MAX_VALUE_DEPTH):
            return explain.result_too_deep(method)
        return None

    def odd(self, reply: Reply, method: str) -> bytes:
        """A reply that pack() does not take: a result with attachments or arrays, or one that cannot be encoded.

        Attachments are put into `buffers`: the reply must be the last of the next message.
        """
        try:
            packed, value = self._with_buffers(reply)
            return self.checked((*reply[:4], value, None), packed, method, _bytes_of(self.buffers))
        except Exception as error:
            self.buffers = []
            value = reply[4].value if type(reply[4]) is WithAttachments else reply[4]
            return self._failed(reply, explain.result_not_encodable(method, value, error))

    def item(self, item: Reply, method: str) -> bytes | explain.Failure:
        """The piece of an item of a stream (id, attempt, seq, value, nil), or why it cannot be sent.

        Attachments are put into `buffers`, as by odd().
        """
        value = item[3]
        try:
            try:
                packed: bytes = self.pack(item)
            except Exception:
                packed, value = self._with_buffers(item)
            failure = self._why_not(value, packed, method, _bytes_of(self.buffers))
        except Exception as error:
            value = value.value if type(value) is WithAttachments else value
            failure = explain.result_not_encodable(method, value, error)
        if failure is None:
            return packed[1:]
        self.buffers = []
        return failure

    def _with_buffers(self, element: Reply) -> tuple[bytes, Any]:
        """A reply or an item whose value has buffers, which become attachments; and the value without them."""
        *front, value, _ = element
        buffers: list[memoryview] = []
        if type(value) is WithAttachments:
            buffers += value.buffers
            value = value.value
        body = wire.new_packer(default_for(buffers)).pack(value)
        self.buffers = buffers
        ext = {"attachments": len(buffers)} if buffers else None
        pack = self.pack
        header = _array_header(len(element))
        return b"".join([header, *map(pack, front), body, pack(ext)]), value

    def _failed(self, reply: Reply, failure: explain.Failure) -> bytes:
        status, content = failure
        packed: bytes = self.pack((reply[0], reply[1], status, reply[3], content, None))
        return packed

    def messages(self, replies: list[Any], pieces: list[bytes], requests: Message) -> list[Frames]:
        """The messages that hold these replies; `buffers` go with the last piece, and are forgotten.

        `replies` is flat, with the head of a REPLY: those that waited. `requests` tells their methods, for errors.
        """
        try:
            frame: bytes = self.pack(replies)
        except Exception:  # a str with lone surrogates, an int beyond 64 bits
            return self.messages(
                replies[:REPLY_HEAD], self._each(replies, requests) + pieces, requests
            )
        if len(frame) > _KEEP_PACKER_BYTES:
            self.pack = wire.new_packer(plain).pack
        if pieces:
            frame = _join(frame, len(replies), pieces)
        buffers, self.buffers = self.buffers, []
        if len(frame) + (_bytes_of(buffers) if buffers else 0) <= self._max_body:
            return [[frame, *buffers]]
        return self._several(
            self.pack(replies[:REPLY_HEAD]), self._each(replies, requests) + pieces, buffers
        )

    def _each(self, replies: list[Any], requests: Message) -> list[bytes]:
        """Pieces of what messages() was given as one."""
        pieces = []
        for start in range(REPLY_HEAD, len(replies), REPLY_ITEM):
            reply = tuple(replies[start : start + REPLY_ITEM])
            method = _method(requests, reply[0])
            try:
                packed = self.checked(reply, self.pack(reply), method)
            except Exception:
                packed = self.odd(reply, method)
            pieces.append(packed[1:])
        return pieces

    def bundle(self, kind: int, epoch: int, pieces: list[bytes]) -> list[Frames]:
        """The messages of kind REPLY or ITEMS that hold these pieces; `buffers` go with the last, and are forgotten."""
        buffers, self.buffers = self.buffers, []
        per_piece = REPLY_ITEM if kind == wire.REPLY else STREAM_ITEM
        return self._several(self.pack([wire.VERSION, kind, epoch]), pieces, buffers, per_piece)

    def _several(
        self,
        head: bytes,
        pieces: list[bytes],
        buffers: list[memoryview],
        per_piece: int = REPLY_ITEM,
    ) -> list[Frames]:
        """As few messages as can be; each piece fits into one."""
        messages: list[Frames] = []
        begin = 0
        size = _HEAD_BYTES
        last = len(pieces) - 1
        for number, piece in enumerate(pieces):
            length = len(piece) + (_bytes_of(buffers) if number == last else 0)
            if size + length > self._max_body and number > begin:
                messages.append([_join(head, REPLY_HEAD, pieces[begin:number], per_piece)])
                begin, size = number, _HEAD_BYTES
            size += length
        messages.append([_join(head, REPLY_HEAD, pieces[begin:], per_piece), *buffers])
        return messages


def _join(frame: bytes, elements: int, pieces: list[bytes], per_piece: int = REPLY_ITEM) -> bytes:
    """A message, the array `frame` of so many elements, with these pieces behind."""
    header = _array_header(elements + per_piece * len(pieces))
    return b"".join([header, frame[len(_array_header(elements)) :], *pieces])


def _method(requests: Message, id_: int) -> str:
    """The method of a request in a bundle, for error texts."""
    index = requests[REQUEST_HEAD::REQUEST_ITEM].index(id_)
    return str(requests[REQUEST_HEAD + 4 + REQUEST_ITEM * index])


def _bytes_of(buffers: list[memoryview]) -> int:
    return sum(buffer.nbytes for buffer in buffers)


def _may_be_deep(packed: bytes) -> bool:
    """Whether the headers of lists and maps, all that could be some, are enough for a value too deep.

    A bound, far cheaper than too_deep() where there are few. Text that is not ASCII has such bytes, too.
    """
    return len(packed.translate(None, _NO_CONTAINERS)) > MAX_VALUE_DEPTH


def _array_header(elements: int) -> bytes:
    """msgpack's header of an array. (A Packer writes it, too, but brings a buffer of 1 MiB.)"""
    if elements < 16:
        return bytes((0x90 | elements,))
    if elements < 65536:
        return b"\xdc" + elements.to_bytes(2, "big")
    return b"\xdd" + elements.to_bytes(4, "big")
