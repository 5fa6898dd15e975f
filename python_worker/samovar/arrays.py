"""Arrays that travel as attachments: the extension type 1 of PROTOCOL.md 4.8. numpy is never imported here.

In a body stands [attachment, dtype, shape]; the elements are a frame of their own, which is not copied here.
"""

import math
import sys
from typing import Any

import msgpack

from samovar.attached import MAX_ATTACHMENTS, Frame, buffer_of, byte_view
from samovar.plain import plain
from samovar.wire import is_uint

EXT_TYPE = 1
MAX_DIMENSIONS = 32  # numpy's
_KINDS = "biufc"
_ORDERS = "<>|"
_MAX_DTYPE = 8
# What a memoryview can be cast to, by dtype, on this machine: for apps that have not imported numpy.
_FORMATS = {
    ("<" if sys.byteorder == "little" else ">") + kind + str(size): code
    for kind, size, code in (
        ("i", 2, "h"),
        ("i", 4, "i"),
        ("i", 8, "q"),
        ("u", 2, "H"),
        ("u", 4, "I"),
        ("u", 8, "Q"),
        ("f", 4, "f"),
        ("f", 8, "d"),
    )
} | {"|i1": "b", "|u1": "B", "|b1": "?"}


class ArrayError(ValueError):
    """A request's array cannot be had. The text is one sentence for its caller."""


def default_for(buffers: list[memoryview]) -> Any:
    """A msgpack `default`: what holds an array becomes the extension, its elements are added to `buffers`; plain() does the rest.

    It raises TypeError for anything else, and ValueError for an array that cannot travel.
    """

    def default(value: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic) and value.dtype.kind in "biuf":
            return value.item()
        described = _describe(value, numpy)
        if described is None:
            return plain(value)
        dtype, shape, view = described
        if len(buffers) == MAX_ATTACHMENTS:
            raise ValueError(f"it has more than {MAX_ATTACHMENTS} attachments and arrays")
        buffers.append(view)
        return msgpack.ExtType(EXT_TYPE, msgpack.packb([len(buffers) - 1, dtype, shape]))

    return default


def travels(value: Any) -> bool:
    """Whether default_for() knows what to do with it."""
    try:
        default_for([])(value)
    except Exception:
        return False
    return True


def _describe(value: Any, numpy: Any) -> tuple[str, list[int], memoryview] | None:
    if numpy is not None and isinstance(value, numpy.ndarray):
        dtype = value.dtype
        if dtype.kind not in _KINDS or dtype.hasobject:
            raise ValueError(
                f"an array of dtype {dtype} cannot travel: use numbers, such as float64"
            )
        if value.ndim > MAX_DIMENSIONS:
            raise ValueError(f"an array has more than {MAX_DIMENSIONS} dimensions")
        # A copy only of what is not contiguous.
        return dtype.str, list(value.shape), byte_view(numpy.ascontiguousarray(value))
    array = sys.modules.get("array")
    if array is not None and isinstance(value, array.array) and value.typecode not in "uw":
        order = "|" if value.itemsize == 1 else "<" if sys.byteorder == "little" else ">"
        kind = "f" if value.typecode in "fd" else "i" if value.typecode.islower() else "u"
        return f"{order}{kind}{value.itemsize}", [len(value)], byte_view(value)
    return None


def place(value: Any, frames: list[Frame]) -> Any:
    """`value`, decoded, with its arrays in their places: views of `frames`, read-only. Changes lists and maps.

    They are numpy.ndarray if the app has imported numpy, else memoryview with a format and a shape. Raises
    ArrayError.
    """
    kind = type(value)
    if kind is msgpack.ExtType and value.code == EXT_TYPE:
        return _array(value.data, frames)
    if kind is list:
        for index, inside in enumerate(value):
            if type(inside) in _MAY_HOLD:
                value[index] = place(inside, frames)
    elif kind is dict:
        for key, inside in value.items():
            if type(inside) in _MAY_HOLD:
                value[key] = place(inside, frames)
    return value


_MAY_HOLD = frozenset({list, dict, msgpack.ExtType})


def _array(data: bytes, frames: list[Frame]) -> Any:
    index, dtype, shape = _fields(data)
    if index >= len(frames):
        raise ArrayError(f"an array is in attachment {index}, but there are {len(frames)}")
    view = buffer_of(frames[index])
    count = math.prod(shape)
    if view.nbytes != count * _item_size(dtype):
        raise ArrayError(
            f"an array of {dtype} and shape {shape} does not fit attachment {index} of {view.nbytes} bytes"
        )
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        try:
            return numpy.frombuffer(view, dtype=dtype).reshape(shape)
        except (TypeError, ValueError) as error:  # no such number, or too many of them
            raise ArrayError(f"an array of {dtype} and shape {shape}: {error}") from None
    code = _FORMATS.get(dtype)
    if code is None or not shape or not count:
        raise ArrayError(
            f"an array of {dtype} and shape {shape} needs numpy: import it where the service is declared"
        )
    return view.cast(code, shape)


def _fields(data: bytes) -> tuple[int, str, list[int]]:
    try:
        index, dtype, shape = msgpack.unpackb(data)
    except Exception:
        raise ArrayError("an array is not described by [attachment, dtype, shape]") from None
    if not (
        is_uint(index)
        and type(dtype) is str
        and type(shape) is list
        and len(shape) <= MAX_DIMENSIONS
        and all(is_uint(length) for length in shape)
    ):
        raise ArrayError("an array is not described by [attachment, dtype, shape]")
    return index, dtype, shape


def _item_size(dtype: str) -> int:
    digits = dtype[2:]
    known = (
        3 <= len(dtype) <= _MAX_DTYPE
        and dtype[0] in _ORDERS
        and dtype[1] in _KINDS
        and digits.isascii()
        and digits.isdigit()
    )
    if not known or int(digits) not in (1, 2, 4, 8, 16, 32):
        raise ArrayError(f"{dtype!r} is no dtype of numbers, such as '<f8'")
    return int(digits)
