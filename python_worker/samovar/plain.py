"""What travels as something plainer: dataclasses as maps of their fields, enums as their values."""

import dataclasses
import enum
from typing import Any

_fields: dict[type, tuple[str, ...]] = {}


def is_struct(kind: type) -> bool:
    """Whether it is a dataclass."""
    return hasattr(kind, "__dataclass_fields__")


def plain(value: Any) -> Any:
    """A msgpack `default`: one level of it. Raises TypeError for what does not travel."""
    kind = type(value)
    names = _fields.get(kind)
    if names is None:
        if not is_struct(kind):
            if isinstance(value, enum.Enum):
                return value.value
            raise TypeError(f"cannot encode an object of type {kind.__name__}")
        names = _fields[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return {name: getattr(value, name) for name in names}
