"""Type hints: what they are called in a schema (JSON Schema), and which conversion makes an argument what the hint says.

docs/stubs.md has the table of what can be expressed.
"""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import types
import typing
import uuid
from typing import Any, cast

from samovar.attached import WithAttachments
from samovar.conversion import (
    Field,
    Schema,
    Shape,
    ToStruct,
    to_enum,
    to_fixed_tuple,
    to_list,
    to_literal,
    to_map,
    to_one_of,
    to_tuple,
    to_tuple_of,
    unless_none,
)

_SCALARS: dict[Any, Schema] = {
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    bytearray: {"type": "string", "contentEncoding": "base64"},
    memoryview: {"type": "string", "contentEncoding": "base64"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    Any: {},
    object: {},
    inspect.Parameter.empty: {},
    WithAttachments: {},
    list: {"type": "array", "items": {}},
    tuple: {"type": "array", "items": {}},
    dict: {"type": "object", "additionalProperties": {}},
}
_LISTS = {list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection}
_MAPS = {dict, collections.abc.Mapping, collections.abc.MutableMapping}
_STREAMS = {
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
}
_ADVICE: dict[Any, str] = {
    set: "use list",
    frozenset: "use list",
    decimal.Decimal: "use str or float",
    uuid.UUID: "use str",
    complex: "use tuple[float, float]",
    datetime.date: "use str, as of .isoformat()",
    datetime.time: "use str, as of .isoformat()",
    datetime.timedelta: "use float, as of .total_seconds()",
}


class CannotExpress(Exception):
    """A hint that a schema has no word for. The text is one sentence; `definition` is the class that holds it, if one does."""

    definition: type | None = None


class Hints:
    """The hints of one service. `definitions` are the schemas of the classes that were met, by name.

    With `lenient`, what cannot be expressed is anything ({}); else CannotExpress is raised. Not thread-safe.
    """

    def __init__(self, lenient: bool = True) -> None:
        self.definitions: dict[str, Schema] = {}
        self._classes: dict[type, Shape] = {}
        self._lenient = lenient

    def shape(self, hint: Any) -> Shape:
        """What a value of this hint is."""
        try:
            return self._shape(hint)
        except CannotExpress:
            if not self._lenient:
                raise
            return Shape({})

    def items(self, hint: Any) -> Shape:
        """What a stream yields that returns this."""
        if typing.get_origin(hint) in _STREAMS and typing.get_args(hint):
            return self.shape(typing.get_args(hint)[0])
        return Shape({})

    def element(self, hint: Any) -> Shape:
        """What a batch takes or returns for one of its calls: of list[X] the X."""
        if typing.get_origin(hint) in _LISTS and typing.get_args(hint):
            return self.shape(typing.get_args(hint)[0])
        return Shape({})

    def _shape(self, hint: Any) -> Shape:
        try:
            if hint in _SCALARS:
                return Shape(dict(_SCALARS[hint]), to_tuple if hint is tuple else None)
        except TypeError:  # not hashable
            pass
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return self._annotated(arguments)
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        if origin is typing.Literal:
            return self._literal(arguments)
        if origin in _LISTS:
            return self._list(arguments[0])
        if origin is tuple:
            return self._tuple(arguments)
        if origin in _MAPS:
            return self._map(*arguments)
        if _is_array(hint, origin):
            return self._array(arguments)
        if isinstance(hint, typing.NewType):
            return self._shape(hint.__supertype__)
        kind = origin if origin is not None else hint
        for base, advice in _ADVICE.items():
            if isinstance(kind, type) and issubclass(kind, base) and kind is not datetime.datetime:
                raise CannotExpress(f"{_name(hint)} does not travel: {advice}")
        if isinstance(hint, type) and origin is None:
            return self._class(hint)
        raise CannotExpress(f"{_name(hint)} cannot be expressed: use Any, or a type of the table")

    def _array(self, arguments: tuple[Any, ...]) -> Shape:
        dtype = _dtype(arguments)
        if not dtype and not self._lenient:
            raise CannotExpress(
                "numpy.ndarray does not say what it holds: write numpy.typing.NDArray[numpy.float64]"
            )
        return Shape({"type": "array", "x-samovar-array": dtype})

    def _annotated(self, arguments: tuple[Any, ...]) -> Shape:
        shape = self._shape(arguments[0])
        text = next((each for each in arguments[1:] if isinstance(each, str)), None)
        return Shape({**shape.schema, "description": text}, shape.convert) if text else shape

    def _union(self, arguments: tuple[Any, ...]) -> Shape:
        shapes = [self._shape(each) for each in arguments]
        schema = {"anyOf": [shape.schema for shape in shapes]}
        wanted = [shape for shape in shapes if shape.schema != {"type": "null"}]
        if all(shape.convert is None for shape in wanted):
            return Shape(schema)
        if len(wanted) < len(shapes) and len(wanted) == 1:
            return Shape(schema, unless_none(wanted[0].convert))
        return Shape(schema, to_one_of(shapes))

    def _literal(self, arguments: tuple[Any, ...]) -> Shape:
        for value in arguments:
            if isinstance(value, enum.Enum) or type(value) not in (str, int, bool, type(None)):
                raise CannotExpress(f"Literal[{value!r}] cannot be expressed: use str, int or bool")
        return Shape({"enum": list(arguments)}, to_literal(arguments))

    def _list(self, hint: Any) -> Shape:
        inside = self._shape(hint)
        convert = None if inside.convert is None else to_list(inside.convert)
        return Shape({"type": "array", "items": inside.schema}, convert)

    def _tuple(self, arguments: tuple[Any, ...]) -> Shape:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            inside = self._list(arguments[0])
            return Shape(inside.schema, to_tuple_of(inside.convert))
        shapes = [self._shape(each) for each in arguments if each != ()]
        schema = {
            "type": "array",
            "prefixItems": [shape.schema for shape in shapes],
            "items": False,
            "minItems": len(shapes),
        }
        return Shape(schema, to_fixed_tuple([shape.convert for shape in shapes]))

    def _map(self, key: Any, value: Any) -> Shape:
        keys, values = self._shape(key), self._shape(value)
        if keys.schema.get("type") not in ("string", "integer") or "format" in keys.schema:
            raise CannotExpress(
                f"dict[{_name(key)}, ...] cannot be expressed: keys are str, int or bytes"
            )
        schema = {"type": "object", "additionalProperties": values.schema}
        if keys.schema != {"type": "string"}:
            schema["x-samovar-keys"] = keys.schema
        return Shape(schema, None if values.convert is None else to_map(values.convert))

    # --- classes ---------------------------------------------------------------------------------------

    def _class(self, hint: type) -> Shape:
        known = self._classes.get(hint)
        if known is not None:
            return known
        if issubclass(hint, enum.Enum):
            return self._enum(hint)
        if dataclasses.is_dataclass(hint) or typing.is_typeddict(hint):
            try:
                return self._struct(hint)
            except CannotExpress as error:
                error.definition = error.definition or hint
                self._classes.pop(hint, None)
                raise
        if issubclass(hint, tuple) and hasattr(hint, "_fields"):
            hints = typing.get_type_hints(hint, include_extras=True)
            shape = self._tuple(tuple(hints.get(name, Any) for name in hint._fields))
            return Shape(shape.schema, lambda value: hint(*shape.convert(value)))  # type: ignore[misc]
        for base in (bool, int, float, str, bytes):  # subclasses travel as these
            if issubclass(hint, base):
                return Shape(dict(_SCALARS[base]))
        raise CannotExpress(
            f"{_name(hint)} cannot be expressed: make it a dataclass or a TypedDict, or use Any"
        )

    def _enum(self, hint: type[enum.Enum]) -> Shape:
        values = [member.value for member in hint]
        if not values or len({type(value) for value in values} & {str, int}) != 1:
            raise CannotExpress(
                f"the enum {hint.__name__} cannot be expressed: its values are to be all str, or all int"
            )
        name = self._name(hint)
        self.definitions[name] = {
            "enum": values,
            "x-samovar-names": [member.name for member in hint],
            **_described(hint),
        }
        shape = self._classes[hint] = Shape({"$ref": f"#/$defs/{name}"}, to_enum(hint))
        return shape

    def _struct(self, hint: type) -> Shape:
        name = self._name(hint)
        struct = ToStruct(hint)
        shape = self._classes[hint] = Shape({"$ref": f"#/$defs/{name}"}, struct)
        definition: Schema = {"type": "object", "properties": {}, "required": []}
        self.definitions[name] = definition
        try:
            for field in _fields_of(hint):
                inside = self._shape(field.hint)
                schema = dict(inside.schema)
                if field.default is not _NOTHING:
                    schema["default"] = field.default
                definition["properties"][field.name] = schema
                if field.required:
                    definition["required"].append(field.name)
                struct.add(field, inside)
        except (CannotExpress, NameError) as error:
            del self.definitions[name]
            raise error if isinstance(error, CannotExpress) else CannotExpress(
                str(error)
            ) from error
        definition.update(_described(hint))
        if not struct.needed:
            shape.convert = None
        return shape

    def _name(self, hint: type) -> str:
        if hint.__name__ not in self.definitions:
            return hint.__name__
        return f"{hint.__module__}.{hint.__qualname__}".replace(".", "_").replace("<locals>", "")


_NOTHING = object()


def _fields_of(hint: type) -> list[Field]:
    hints = typing.get_type_hints(hint, include_extras=True)
    if not dataclasses.is_dataclass(hint):
        required = hint.__required_keys__  # type: ignore[attr-defined]
        return [
            Field(name, _bare(each), name in required, default=_NOTHING)
            for name, each in hints.items()
        ]
    missing = dataclasses.MISSING
    fields = []
    for field in dataclasses.fields(hint):
        has_default = field.default is not missing or field.default_factory is not missing
        default = field.default if _is_plain(field.default) else _NOTHING
        made = cast(Any, field.default_factory)
        if made is list or made is dict:
            default = made()
        if field.default == b"":
            default = ""
        if isinstance(field.default, enum.Enum):
            default = field.default.value
        fields.append(
            Field(
                field.name, hints[field.name], not has_default and field.init, field.init, default
            )
        )
    return fields


def _bare(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Required, typing.NotRequired):
        return typing.get_args(hint)[0]
    return hint


def _is_plain(value: Any) -> bool:
    return type(value) in (str, int, float, bool, type(None))


def default_of(value: Any) -> Any:
    """A parameter's default as a schema can say it; None: it cannot, or is None."""
    value = value.value if isinstance(value, enum.Enum) else value
    return value if _is_plain(value) else None


def _is_array(hint: Any, origin: Any) -> bool:
    kind = origin if origin is not None else hint
    return getattr(kind, "__module__", "") == "numpy" and getattr(kind, "__name__", "") == "ndarray"


def _dtype(arguments: tuple[Any, ...]) -> str:
    """Of numpy.typing.NDArray[T], which is ndarray[Any, dtype[T]]: kind and bytes of an element. "": it is not said."""
    import numpy

    try:
        element = typing.get_args(arguments[1])[0]
        concrete = issubclass(element, numpy.generic) and not element.__subclasses__()
        return str(numpy.dtype(element).str.lstrip("<>|=")) if concrete else ""
    except (IndexError, TypeError, AttributeError):
        return ""


def _described(hint: type) -> Schema:
    """Its docstring, unless it is one that dataclass or enum wrote."""
    text = hint.__dict__.get("__doc__")
    if not text or text.startswith(f"{hint.__name__}(") or text == "An enumeration.":
        return {}
    return {"description": inspect.cleandoc(text)}


def _name(hint: Any) -> str:
    return str(hint.__name__) if isinstance(hint, type) else str(hint).replace("typing.", "")
