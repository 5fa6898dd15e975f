"""Replies to bytes: each is encoded by itself as soon as there is its result, then joined into messages.

A *piece* is one reply's six elements as they stand in a REPLY: without a header of their own. (Measured: one pack
for a whole bundle saves 3% for maps of 100 bytes, and must know which results may still change.)
"""

from typing import Any

from samovar import explain, wire
from samovar.attached import WithAttachments
from samovar.bundles import REPLY_HEAD, REPLY_ITEM, too_deep

Frames = list[Any]  # of one message: bytes, then the buffers of attachments
Reply = tuple[int, int, int, int, Any, Any]  # id, attempt, status, run_us, value, ext

# A value's levels come below the message's own array.
MAX_VALUE_DEPTH = wire.MAX_DEPTH - 1
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
        self.pack = wire.new_packer().pack
        self.buffers: list[memoryview] = []  # attachments of the reply that ends the next message
        self._epoch = -1  # the one that _head was made for
        self._head = b""
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
        if len(packed) > _KEEP_PACKER_BYTES:
            self.pack = wire.new_packer().pack
        size = _HEAD_BYTES + len(packed) + attached
        if size > self._max_body:
            failure = explain.result_too_large(method, size, self._max_body)
        elif _may_be_deep(packed) and too_deep([reply[4]], MAX_VALUE_DEPTH):
            failure = explain.result_too_deep(method)
        else:
            return packed
        self.buffers = []
        return self._failed(reply, failure)

    def odd(self, reply: Reply, method: str) -> bytes:
        """A reply that pack() does not take: a result with attachments, or one that cannot be encoded.

        Attachments are put into `buffers`: the reply must be the last of the next message.
        """
        value = reply[4]
        try:
            if type(value) is WithAttachments:
                self.buffers, value = value.buffers, value.value
                ext = {"attachments": len(self.buffers)}
                reply = (*reply[:4], value, ext)
                return self.checked(reply, self.pack(reply), method, _bytes_of(self.buffers))
            packed: bytes = self.pack(reply)  # raises again
            return packed
        except Exception as error:
            self.buffers = []
            return self._failed(reply, explain.result_not_encodable(method, value, error))

    def _failed(self, reply: Reply, failure: explain.Failure) -> bytes:
        status, content = failure
        packed: bytes = self.pack((reply[0], reply[1], status, reply[3], content, None))
        return packed

    def messages(self, epoch: int, pieces: list[bytes]) -> list[Frames]:
        """The messages that hold these pieces; `buffers` go with the last one, and are forgotten."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._head = self.pack([wire.VERSION, wire.REPLY, epoch])[1:]
        buffers, self.buffers = self.buffers, []
        frame = self._message(pieces)
        if len(frame) + (_bytes_of(buffers) if buffers else 0) <= self._max_body:
            return [[frame, *buffers]]
        return self._several(pieces, buffers)

    def _message(self, pieces: list[bytes]) -> bytes:
        header = _array_header(REPLY_HEAD + REPLY_ITEM * len(pieces))
        return b"".join([header, self._head, *pieces])

    def _several(self, pieces: list[bytes], buffers: list[memoryview]) -> list[Frames]:
        """As few messages as can be; each piece fits into one."""
        messages: list[Frames] = []
        begin = 0
        size = _HEAD_BYTES
        for end, piece in enumerate(pieces):
            length = len(piece)
            if end == len(pieces) - 1:
                length += _bytes_of(buffers)
            if size + length > self._max_body and end > begin:
                messages.append([self._message(pieces[begin:end])])
                begin, size = end, _HEAD_BYTES
            size += length
        messages.append([self._message(pieces[begin:]), *buffers])
        return messages


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

