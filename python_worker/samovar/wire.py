"""The wire format: numbers, heads and control messages of PROTOCOL.md. Bundles are in bundles.py.

Functions here take and return values; they raise WireError for what a peer got wrong, and nothing else.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import msgpack

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
MAX_DEPTH = 64  # nesting, the message's own array included
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
    return msgpack.unpackb(data, timestamp=3, strict_map_key=False)


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
    """Any message as a list whose head is valid. Raises WireError, also for a version other than ours."""
    try:
        message = unpack(frame)
    except Exception as error:  # msgpack raises many kinds, RecursionError-like ones too
        raise WireError(f"a frame of {len(frame)} bytes is not msgpack: {error!r}") from None
    check_head(message)
    return message  # type: ignore[no-any-return]


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
    value = content.get(key, default)
    if type(value) is not kind or (kind is int and not is_uint(value)):
        raise WireError(
            f"{key!r} in the broker's message is {value!r}, not of type {kind.__name__}"
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


def reason_of(message: Message) -> str:
    """The text of REGISTER_AGAIN, DRAIN, DRAINED or PROTOCOL_ERROR; "" when it has none."""
    content = message[3] if len(message) == 4 and type(message[3]) is dict else {}
    text = content.get("message") or content.get("reason") or ""
    return text if type(text) is str else ""


def new_nonce() -> int:
    """A number for one HELLO that no other is likely to have."""
    return secrets.randbelow(MAX_PREFIX_INTEGER) + 1
