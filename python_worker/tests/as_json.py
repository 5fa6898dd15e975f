"""Decoded values in the notation of proto/vectors/README.md, and what Python makes of such."""

import datetime
import json
from typing import Any

import msgpack

from samovar import wire


def as_json(value: Any) -> Any:
    """A decoded value in the notation of proto/vectors/README.md."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, datetime.datetime):
        delta = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        nanoseconds = (delta.seconds * 10**6 + delta.microseconds) * 1000
        return {"$time": f"{delta.days * 86400 + nanoseconds // 10**9}.{nanoseconds % 10**9:09}"}
    if isinstance(value, msgpack.ExtType):
        return {"$ext": {"type": value.code, "data": value.data.hex()}}
    if isinstance(value, float):
        text = {float("inf"): "inf", float("-inf"): "-inf"}.get(
            value, "nan" if value != value else ""
        )
        return {"$float": text} if text else value
    if type(value) is int and abs(value) > wire.MAX_PREFIX_INTEGER:
        return {"$int": str(value)}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: as_json(inside) for key, inside in value.items()}
        return {"$map": [[as_json(key), as_json(inside)] for key, inside in value.items()]}
    if isinstance(value, list):
        return [as_json(inside) for inside in value]
    return value


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down: 1, 1.0 and true differ."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def as_python_sees(expected: Any) -> Any:
    """A datetime has microseconds, the rest is cut off; and a dict takes 1, 1.0 and True for one key."""
    if isinstance(expected, dict):
        if set(expected) == {"$map"}:
            pairs: dict[Any, Any] = {}
            originals = {}
            for key, inside in expected["$map"]:
                hashable = _as_key(key)
                originals.setdefault(hashable, key)
                pairs[hashable] = inside
            if all(isinstance(key, str) for key in pairs):  # one stood there twice
                return {key: as_python_sees(inside) for key, inside in pairs.items()}
            return {
                "$map": [
                    [as_python_sees(originals[key]), as_python_sees(pairs[key])] for key in pairs
                ]
            }
        if set(expected) == {"$time"}:
            return {"$time": expected["$time"][:-3] + "000"}
        return {key: as_python_sees(inside) for key, inside in expected.items()}
    if isinstance(expected, list):
        return [as_python_sees(inside) for inside in expected]
    return expected


def _as_key(key: Any) -> Any:
    """What is equal for Python is equal here."""
    if not isinstance(key, dict):
        return key
    ((tag, value),) = key.items()
    if tag == "$int":
        return int(value)
    if tag == "$float":
        return float(value)  # a nan equals nothing, not even itself
    if tag == "$time":
        return tag, value[:-3]
    return tag, json.dumps(value)
