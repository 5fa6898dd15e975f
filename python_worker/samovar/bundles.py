"""Bundles: the items of REQUEST messages, decoded. PROTOCOL.md, section 4. Replies are in replies.py.

A decoded REQUEST stays the flat list that msgpack makes of it:

    [1, 2, epoch, sent_us,   id, attempt, flags, timeout_us, method, args, kwargs, ext,   id, ...]
"""

from dataclasses import dataclass
from typing import Any

import msgpack

from samovar import wire
from samovar.arrays import ArrayError, place
from samovar.attached import MAX_ATTACHMENTS, Frame
from samovar.structure import MAX_DEPTH, BadStructure, children, is_list, too_deep
from samovar.wire import Message, WireError, is_uint

REQUEST_HEAD = 4
REQUEST_ITEM = 8
REPLY_HEAD = 3
REPLY_ITEM = 6
STREAM_ITEM = 5
MAX_NAME_BYTES = 255
MAX_EXT_BYTES = 16 * 1024

_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


@dataclass(frozen=True)
class BadItem:
    """Stands where the method stood of an item that is refused alone; `reason` tells its caller why."""

    reason: str


def decode_requests(frame: bytes, attachments: int = 0) -> Message:
    """A REQUEST with every check that PROTOCOL.md asks for; items to refuse have a BadItem as method.

    Their args are [], their kwargs nil. `attachments` is the number of frames behind this one. Raises
    WireError for a message that is malformed as a whole.
    """
    try:
        message: Message = wire.unpack(frame)
    except Exception:  # msgpack raises many kinds; what is wrong may concern one item only
        message = _decode_piece_by_piece(frame)
    wire.check_head(message)
    if message[1] != wire.REQUEST:
        raise WireError(f"a message of kind {message[1]} is no REQUEST")
    _check_count(len(message) - REQUEST_HEAD, REQUEST_ITEM)
    if not is_uint(message[3]):
        raise WireError("sent_us is not an unsigned integer below 2^53")
    if too_deep([message], MAX_DEPTH):
        raise WireError(f"the message is nested more than {MAX_DEPTH} levels deep")
    claimed = 0
    large = _large_exts(
        frame, message[REQUEST_HEAD + 7 :: REQUEST_ITEM], REQUEST_HEAD, REQUEST_ITEM
    )
    for start in range(REQUEST_HEAD, len(message), REQUEST_ITEM):
        item = message[start : start + REQUEST_ITEM]
        _check_prefix(item[:4])
        claimed += attachments_of(item[7])
        reason = _why_refused(item, start in large)
        if reason is not None:
            message[start + 4 : start + 7] = [BadItem(reason), [], None]
    if claimed != attachments:
        raise WireError(f"the items claim {claimed} attachments, but {attachments} came")
    return message


def place_arrays(message: Message, frames: list[Frame]) -> None:
    """Puts the arrays among the arguments of a decoded REQUEST in their places: views of its attachments.

    An item with a wrong one gets a BadItem as method.
    """
    taken = 0
    for start in range(REQUEST_HEAD, len(message), REQUEST_ITEM):
        method, args, kwargs, ext = message[start + 4 : start + REQUEST_ITEM]
        count = attachments_of(ext)
        own = frames[taken : taken + count]
        taken += count
        if not count or isinstance(method, BadItem):
            continue
        try:
            place(args, own)
            place(kwargs, own)
        except ArrayError as error:
            message[start + 4 : start + 7] = [BadItem(f"{method}: {error}"), [], None]


def decode_replies(frame: bytes, attachments: int = 0) -> Message:
    """A REPLY as its flat list, with every check. Raises WireError. (For clients and tests.)

    Values and exts are decoded as by wire.unpack_what_can_be().
    """
    message = _decode_answers(frame, wire.REPLY, REPLY_ITEM, numbers=4, attachments=attachments)
    for start in range(REPLY_HEAD, len(message), REPLY_ITEM):
        _, _, status, _, value, _ = message[start : start + REPLY_ITEM]
        if status != wire.OK and type(value) is not dict:
            raise WireError("the value of an error is not a map")
    return message


def decode_items(frame: bytes, attachments: int = 0) -> Message:
    """ITEMS as its flat list, with every check. Raises WireError. Values as in decode_replies()."""
    return _decode_answers(frame, wire.ITEMS, STREAM_ITEM, numbers=3, attachments=attachments)


def _decode_answers(
    frame: bytes, kind: int, per_item: int, numbers: int, attachments: int
) -> Message:
    """What both have: items that begin with so many integers and end with an ext."""
    message = wire.decode(frame)
    if message[1] != kind:
        raise WireError(f"a message of kind {message[1]}, not {kind}")
    _check_count(len(message) - REPLY_HEAD, per_item)
    claimed = 0
    exts = message[REPLY_HEAD + per_item - 1 :: per_item]
    large = _large_exts(frame, exts, REPLY_HEAD, per_item)
    for start in range(REPLY_HEAD, len(message), per_item):
        _check_prefix(message[start : start + numbers])
        ext = message[start + per_item - 1]
        reason = _why_bad_ext(ext, start in large)
        if reason is not None:
            raise WireError(reason)
        claimed += attachments_of(ext)
    if claimed != attachments:
        raise WireError(f"the items claim {claimed} attachments, but {attachments} came")
    return message


def _check_count(elements: int, per_item: int) -> None:
    items, rest = divmod(elements, per_item)
    if rest or items < 1:
        raise WireError("the message does not hold a whole number of items")
    if items > wire.MAX_BUNDLE:
        raise WireError(f"the message holds {items} items, more than {wire.MAX_BUNDLE}")


def _check_prefix(numbers: list[Any]) -> None:
    if not all(map(is_uint, numbers)):
        raise WireError("an integer of an item's prefix is not one from 0 to 2^53 - 1")
    if not 1 <= numbers[1] <= 255:
        raise WireError("an attempt is not between 1 and 255")


def attachments_of(ext: Any) -> int:
    """How many attachments an item with this ext claims. Raises WireError for nonsense."""
    claimed = ext.get("attachments") if type(ext) is dict else None
    if claimed is None:
        return 0
    if not is_uint(claimed) or claimed > MAX_ATTACHMENTS:
        raise WireError(f"an item claims {claimed!r} attachments")
    return int(claimed)


def _why_refused(item: list[Any], has_large_ext: bool) -> str | None:
    method, args, kwargs, ext = item[4:]
    if isinstance(method, BadItem):
        return method.reason
    if type(method) is not str or not is_method(method):
        return f"{method!r} is not the name of a method: it must be 'service.method'"
    if type(args) is not list:
        return f"{method}: args is not an array"
    if kwargs is not None and type(kwargs) is not dict:
        return f"{method}: kwargs is neither a map nor nil"
    if kwargs is not None and not all(type(key) is str for key in kwargs):
        return f"{method}: a key of kwargs is not a string"
    reason = _why_bad_ext(ext, has_large_ext)
    priority = ext.get("priority") if type(ext) is dict else None
    if reason is None and priority is not None and not (is_uint(priority) and priority <= 2):
        reason = "ext.priority is not 0, 1 or 2"
    return None if reason is None else f"{method}: {reason}"


def is_method(name: str) -> bool:
    """Whether it reads SERVICE.METHOD, in the letters that names have."""
    service, _, method = name.rpartition(".")
    return (
        bool(service and method) and len(name) <= MAX_NAME_BYTES and _NAME_LETTERS.issuperset(name)
    )


def _large_exts(frame: bytes, exts: list[Any], head: int, per_item: int) -> set[int]:
    """Where the items begin whose exts have more bytes than they may. A small message has none."""
    if len(frame) <= MAX_EXT_BYTES or all(ext is None for ext in exts):
        return set()
    unpacker = msgpack.Unpacker(max_buffer_size=len(frame))
    unpacker.feed(frame)
    unpacker.read_array_header()
    large = set()
    for _ in range(head):
        unpacker.skip()
    for number in range(len(exts)):
        for _ in range(per_item - 1):
            unpacker.skip()
        begin = unpacker.tell()
        unpacker.skip()
        if unpacker.tell() - begin > MAX_EXT_BYTES:
            large.add(head + number * per_item)
    return large


def _why_bad_ext(ext: Any, is_large: bool) -> str | None:
    if ext is None:
        return None
    if type(ext) is not dict:
        return "ext is neither a map nor nil"
    if not all(type(key) is str for key in ext):
        return "a key of ext is not a string"
    if is_large:
        return f"ext is larger than {MAX_EXT_BYTES} bytes"
    return None


def _decode_piece_by_piece(frame: bytes) -> Message:
    """Decodes a REQUEST that does not decode as a whole: what cannot be decoded becomes a BadItem.

    Raises WireError when the structure itself is broken, so that nobody can say where an item ends.
    """
    elements = split_array(frame)
    if len(elements) < REQUEST_HEAD:
        raise WireError("a message is not an array of at least three elements")
    try:
        message = [wire.unpack(element) for element in elements[:REQUEST_HEAD]]
    except Exception as error:
        raise WireError(f"the head of a message cannot be decoded: {error!r}") from None
    for start in range(REQUEST_HEAD, len(elements), REQUEST_ITEM):
        message += _decode_item(elements[start : start + REQUEST_ITEM])
    return message


def _decode_item(elements: list[memoryview]) -> list[Any]:
    item: list[Any] = []
    reason: str | None = None
    for position, element in enumerate(elements):
        try:
            item.append(wire.unpack(element))
        except Exception as error:
            # Attachments are counted all the same.
            item.append(wire.unpack_what_can_be(element) if position == 7 else None)
            if position < 4:
                raise WireError(f"an item's prefix cannot be decoded: {error!r}") from None
            part = ("the method", "args", "kwargs", "ext")[position - 4]
            reason = f"{part} cannot be decoded: {type(error).__name__}: {error}"
    if reason is not None:
        name = item[4] if len(item) > 4 and type(item[4]) is str else "this request"
        item[4:5] = [BadItem(f"{name}: {reason}")]
    return item


def split_array(frame: bytes) -> list[memoryview]:
    """The elements of the array that fills `frame`, each still encoded. Raises WireError."""
    data = memoryview(frame)
    try:
        if not is_list(data):
            raise BadStructure("it is no list")
        return children(data, MAX_DEPTH)
    except BadStructure as error:
        raise WireError(
            f"a frame of {len(frame)} bytes is not one msgpack array: {error}"
        ) from None
