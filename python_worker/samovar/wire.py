"""The wire format: numbers, heads and control messages of PROTOCOL.md. Bundles are in bundles.py.

Functions here take and return values; they raise WireError for what a peer got wrong, and nothing else.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import msgpack

from samovar.structure import (
    MAX_DEPTH,
    BadStructure,
    Undecodable,
    children,
    UNCHECKED_BYTES,
    claims_too_much,
    is_list,
    is_map,
    too_deep,
)

VERSION = 1

# Kinds of message.
HELLO = 1
REQUEST = 2
REPLY = 3
CANCEL = 4
READY = 5
REGISTER_AGAIN = 6
DRAIN = 7
DRAINED = 8
POOL = 9
OBITUARY = 10
PROBE = 11
PROTOCOL_ERROR = 12
ITEMS = 13
WINDOW = 14
COMMAND = 15
COMMAND_DONE = 16
BROKERS = 17

# Outcomes of a call.
OK = 0
APP_ERROR = 1
BAD_REQUEST = 2
DEADLINE_EXCEEDED = 6
CANCELLED = 8
TOO_LARGE = 9

FLAG_IDEMPOTENT = 1
FLAG_METADATA = 2
FLAG_STREAM = 4

# Limits: section 7, and proto/limits.hpp for their reasons.
MAX_BUNDLE = 1024
MAX_CREDIT = 256
DEFAULT_WINDOW = 16
MAX_WINDOW = 1024
MAX_CONTROL_BYTES = 256 * 1024
MAX_ERROR_TEXT = 16 * 1024
MAX_PREFIX_INTEGER = (1 << 53) - 1

Message = list[Any]  # a decoded frame 0: [version, kind, epoch, ...]


class WireError(Exception):
    """A peer sent what PROTOCOL.md does not allow. The text says what, for a log."""


def unpack(data: bytes | memoryview) -> Any:
    """One msgpack value: text as str, bin as bytes, timestamps as aware datetimes, any hashable map key.

    Raises what msgpack raises; see bundles.decode_requests for what is done about it.
    """
    if len(data) > UNCHECKED_BYTES and claims_too_much(data):
        raise BadStructure("lists claim more elements than there are")
    return msgpack.unpackb(data, timestamp=3, strict_map_key=False)


def unpack_what_can_be(data: memoryview) -> Any:
    """Like unpack(), for one value whose structure has been checked, but it never fails.

    Text that is not UTF-8 has U+FFFD in its place; an Undecodable stands for what Python cannot hold.
    """
    try:
        return msgpack.unpackb(data, timestamp=3, strict_map_key=False, unicode_errors="replace")
    except Exception as error:  # msgpack raises many kinds
        if is_list(data):
            return [unpack_what_can_be(element) for element in children(data, MAX_DEPTH)]
        if not is_map(data):
            return Undecodable(f"{type(error).__name__}: {error}")
    parts = children(data, MAX_DEPTH)
    content = {}
    for key, value in zip(parts[::2], parts[1::2]):
        name = unpack_what_can_be(key)
        if isinstance(name, (list, dict)):
            name = Undecodable("a list or a map as a key")
        content[name] = unpack_what_can_be(value)
    return content


def new_packer(default: Any = None) -> Any:
    """A msgpack.Packer with our settings: aware datetimes become timestamps. Not thread-safe."""
    return msgpack.Packer(datetime=True, default=default)


_pack = new_packer().pack


def encode_control(kind: int, epoch: int, content: dict[str, Any]) -> bytes:
    """A message whose fourth element is a map; entries that are None are left out."""
    present = {key: value for key, value in content.items() if value is not None}
    frame: bytes = _pack([VERSION, kind, epoch, present])
    return frame


def decode(frame: bytes) -> Message:
    """Any message as a list whose head is valid. Raises WireError, also for a version other than ours.

    What stands behind the head is decoded as unpack_what_can_be() does.
    """
    try:
        message = unpack(frame)
        if too_deep([message], MAX_DEPTH):
            raise BadStructure(f"it is nested more than {MAX_DEPTH} levels deep")
    except Exception as error:  # msgpack raises many kinds
        message = _probe(frame) or _decode_piece_by_piece(frame, error)
    check_head(message)
    return message  # type: ignore[no-any-return]


def _decode_piece_by_piece(frame: bytes, error: Exception) -> Message:
    try:
        if not len(frame) or not is_list(memoryview(frame)):
            raise error
        elements = children(memoryview(frame), MAX_DEPTH)
        return [unpack_what_can_be(element) for element in elements]
    except Exception as why:
        raise WireError(f"a frame of {len(frame)} bytes is not a message: {why!r}") from None


def _probe(frame: bytes) -> Message | None:
    """The head of a PROBE, of which nothing else is looked at; None for any other message."""
    unpacker = msgpack.Unpacker(max_buffer_size=64)
    unpacker.feed(frame[:32])
    try:
        count = unpacker.read_array_header()
        head = [unpacker.unpack() for _ in range(min(count, 3))]
    except Exception:
        return None
    return head if len(head) == 3 and head[:2] == [VERSION, PROBE] else None


def decode_control(frame: bytes, attachments: int = 0) -> Message:
    """A message of any kind but REQUEST, REPLY and ITEMS. Raises WireError."""
    message = decode(frame)
    if attachments:
        raise WireError(f"a message of kind {message[1]} has attachments")
    if message[1] not in (CANCEL, WINDOW, PROBE) and len(frame) > MAX_CONTROL_BYTES:
        raise WireError(f"a control message of {len(frame)} bytes, more than {MAX_CONTROL_BYTES}")
    return message


def kind_of(frame: bytes) -> int:
    """The kind of a message, before it is decoded; 0 when it has none."""
    first = frame[0] if frame else 0
    at = {0xDC: 4, 0xDD: 6}.get(first, 2 if first & 0xF0 == 0x90 else len(frame))
    return frame[at] if at < len(frame) else 0


def check_head(message: Any) -> None:
    """Raises WireError unless `message` is a list that starts with [1, kind, epoch]."""
    if type(message) is not list or len(message) < 3:
        raise WireError("a message is not an array of at least three elements")
    if not all(is_uint(element) for element in message[:3]):
        raise WireError("version, kind and epoch are not all unsigned integers below 2^53")
    if message[0] != VERSION:
        raise WireError(f"the peer speaks version {message[0]}, this worker speaks {VERSION}")


def is_uint(value: Any) -> bool:
    """Whether `value` may stand in a prefix or in a control message where an unsigned integer is due."""
    return type(value) is int and 0 <= value <= MAX_PREFIX_INTEGER


def control_map(message: Message) -> dict[Any, Any]:
    """The map of a control message. Raises WireError when there is none."""
    if len(message) != 4 or type(message[3]) is not dict:
        raise WireError(
            f"a control message of kind {message[1]} does not consist of a head and a map"
        )
    return message[3]


def _field(content: dict[Any, Any], key: str, kind: type, default: Any) -> Any:
    value = content.get(key)
    if value is None:  # a nil counts as absent
        value = default
    if type(value) is not kind or (kind is int and not is_uint(value)):
        raise WireError(
            f"{key!r} in the broker's message is {str(value)[:200]!r}, not of type {kind.__name__}"
        )
    return value


@dataclass(frozen=True)
class BrokerHello:
    """What the broker said about itself and its limits. Sizes in bytes."""

    epoch: int
    nonce: int
    clock: str
    broker: str
    max_body: int
    heartbeat_ms: int


def decode_broker_hello(message: Message) -> BrokerHello:
    """The broker's HELLO. Raises WireError when a key that is due is missing or of a wrong type."""
    content = control_map(message)
    for key in ("max_bundle", "default_timeout_us", "max_timeout_us"):
        _field(content, key, int, None)
    _field(content, "software", str, "")
    hello = BrokerHello(
        epoch=message[2],
        nonce=_field(content, "nonce", int, None),
        clock=_field(content, "clock", str, ""),
        broker=_field(content, "broker", str, ""),
        max_body=_field(content, "max_body", int, None),
        heartbeat_ms=_field(content, "heartbeat_ms", int, None),
    )
    if hello.epoch == 0:
        raise WireError("the broker's HELLO gives no epoch")
    return hello


def decode_drain(message: Message) -> bool:
    """Whether DRAIN is to be answered. Raises WireError."""
    decode_notice(message)
    return message[3].get("answer") is True


def decode_notice(message: Message) -> str:
    """The reason of REGISTER_AGAIN, DRAIN or DRAINED; "" when it has none. Raises WireError."""
    content = control_map(message)
    _field(content, "answer", bool, False)
    text: str = _field(content, "reason", str, "")
    return text


def decode_protocol_error(message: Message) -> str:
    """The text of PROTOCOL_ERROR. Raises WireError."""
    content = control_map(message)
    _field(content, "got", int, 0)
    _field(content, "unauthorized", bool, False)
    if not all(map(is_uint, _field(content, "speaks", list, []))):
        raise WireError("the versions that the broker speaks are not integers")
    text: str = _field(content, "message", str, None)
    return text


def decode_command(message: Message) -> tuple[int, str, list[Any]]:
    """Id, command and arguments of COMMAND. Raises WireError."""
    content = control_map(message)
    return (
        _field(content, "id", int, None),
        _field(content, "command", str, None),
        _field(content, "args", list, []),
    )


def decode_ids(message: Message) -> list[int]:
    """The ids of CANCEL. Raises WireError."""
    ids = message[3:]
    if len(ids) > MAX_BUNDLE or not all(map(is_uint, ids)):
        raise WireError("a CANCEL holds other things than ids, or too many of them")
    return ids


def decode_windows(message: Message) -> list[tuple[int, int]]:
    """The ids of WINDOW with their windows. Raises WireError."""
    numbers = message[3:]
    if (
        not 2 <= len(numbers) <= 2 * MAX_BUNDLE
        or len(numbers) % 2
        or not all(map(is_uint, numbers))
    ):
        raise WireError("a WINDOW holds other things than ids and windows, or too many of them")
    return list(zip(numbers[::2], numbers[1::2]))


def new_nonce() -> int:
    """A number for one HELLO that no other is likely to have."""
    return secrets.randbelow(MAX_PREFIX_INTEGER) + 1
