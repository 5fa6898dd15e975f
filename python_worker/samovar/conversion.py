"""From what came to what a hint says: an argument becomes a dataclass, a member of an enum, a tuple.

A converter takes a decoded value, and raises BadArgument for what does not fit.
"""

import dataclasses
import datetime
import enum
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
Convert = Callable[[Any], Any]


class BadArgument(Exception):
    """An argument that does not fit its hint; `where` leads to the part that does not."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.where = ""

    def __str__(self) -> str:
        return f"{self.where} {self.text}"

    def under(self, where: str) -> "BadArgument":
        self.where = where + self.where
        return self


@dataclasses.dataclass
class Shape:
    """What a hint means: its schema, and how a decoded value becomes what it says; None: it is that already."""

    schema: Schema
    convert: Convert | None = None


@dataclasses.dataclass(frozen=True)
class Field:
    name: str
    hint: Any
    required: bool
    given: bool = True  # whoever makes one may give it
    default: Any = None


def to_tuple(value: Any) -> Any:
    return tuple(_list_of(value))


def _list_of(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise BadArgument(f"is {_kind(value)}, not a list")
    return value


def _each(convert: Convert, values: Any) -> list[Any]:
    result = []
    for index, value in enumerate(values):
        try:
            result.append(convert(value))
        except BadArgument as error:
            raise error.under(f"[{index}]")
    return result


def to_list(convert: Convert) -> Convert:
    return lambda value: _each(convert, _list_of(value))


def unless_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    to = convert
    return lambda value: None if value is None else to(value)


def to_tuple_of(convert: Convert | None) -> Convert:
    if convert is None:
        return to_tuple
    to = convert
    return lambda value: tuple(to(value))


def to_fixed_tuple(converts: list[Convert | None]) -> Convert:
    def convert(value: Any) -> Any:
        if len(_list_of(value)) != len(converts):
            raise BadArgument(f"has {len(value)} elements, not {len(converts)}")
        result = []
        for index, (to, part) in enumerate(zip(converts, value)):
            try:
                result.append(part if to is None else to(part))
            except BadArgument as error:
                raise error.under(f"[{index}]")
        return tuple(result)

    return convert


def to_map(convert: Convert) -> Convert:
    def convert_map(value: Any) -> Any:
        if not isinstance(value, dict):
            raise BadArgument(f"is {_kind(value)}, not a map")
        result = {}
        for key, part in value.items():
            try:
                result[key] = convert(part)
            except BadArgument as error:
                raise error.under(f"[{key!r}]")
        return result

    return convert_map


def to_literal(values: tuple[Any, ...]) -> Convert:
    def convert(value: Any) -> Any:
        if not any(value == each and type(value) is type(each) for each in values):
            raise BadArgument(f"is {_short(value)}, not one of {_list(values)}")
        return value

    return convert


def to_enum(hint: type[enum.Enum]) -> Convert:
    def convert(value: Any) -> Any:
        try:
            return hint(value)
        except ValueError:
            values = _list(tuple(member.value for member in hint))
            raise BadArgument(f"is {_short(value)}, not one of {values}") from None

    return convert


def to_one_of(shapes: list[Shape]) -> Convert:
    """The first that takes it: those that must be made of something before those that take what comes."""
    converts = [shape.convert for shape in shapes if shape.convert is not None]
    others = [shape.schema.get("type") for shape in shapes if shape.convert is None]
    takes_anything = any(kind is None for kind in others)

    def convert(value: Any) -> Any:
        failure = BadArgument(f"is {_kind(value)}, which is none of the types that it may be")
        for each in converts:
            try:
                return each(value)
            except BadArgument as error:
                failure = error
        if takes_anything or _json_type(value) in others:
            return value
        raise failure

    return convert


class ToStruct:
    """Makes a dataclass of a map; of a TypedDict's map, the same with what is inside it converted."""

    def __init__(self, hint: type) -> None:
        self._hint = hint
        self._is_map = not dataclasses.is_dataclass(hint)
        self._fields: dict[str, tuple["Field", Convert | None, bool]] = {}
        self.needed = not self._is_map

    def add(self, field: "Field", shape: Shape) -> None:
        takes_none = shape.schema == {} or {"type": "null"} in shape.schema.get("anyOf", [])
        self._fields[field.name] = (field, shape.convert, takes_none)
        self.needed = self.needed or shape.convert is not None or not field.required

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise BadArgument(f"is {_kind(value)}, not a map of {self._hint.__name__}")
        present: dict[str, Any] = {}
        for name, part in value.items():
            known = self._fields.get(name)
            if known is None or not known[0].given:
                names = ", ".join(name for name, each in self._fields.items() if each[0].given)
                raise BadArgument(
                    f"has a field {_short(name)} that {self._hint.__name__} has not: it has {names}"
                )
            field, convert, takes_none = known
            if part is None and not field.required and not takes_none:
                continue  # as if it were not there
            try:
                present[name] = part if convert is None else convert(part)
            except BadArgument as error:
                raise error.under(f".{name}")
        for name, (field, _, _) in self._fields.items():
            if field.required and name not in present:
                raise BadArgument(f"has no field {name!r}, which {self._hint.__name__} needs")
        if self._is_map:
            return present
        try:
            return self._hint(**present)
        except (TypeError, ValueError) as error:  # of its __post_init__
            raise BadArgument(f"is no {self._hint.__name__}: {error}") from error


_JSON_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    bytes: "string",
    list: "array",
    dict: "object",
    type(None): "null",
    datetime.datetime: "string",
}


def _json_type(value: Any) -> str:
    return _JSON_TYPES.get(type(value), "")


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _list(values: tuple[Any, ...]) -> str:
    return ", ".join(repr(value) for value in values[:20]) + (", ..." if len(values) > 20 else "")
