"""A service's schema: what its methods take and return, from their type hints. docs/stubs.md shows one.

The types in it are JSON Schema (2020-12), with three words of our own: `x-samovar-keys` (the keys of a map that are no
text), `x-samovar-array` (an array of numbers; its dtype), `x-samovar-names` (the names of an enum's values).
"""

import hashlib
import inspect
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from samovar import wire
from samovar.conversion import Convert, Shape
from samovar.hints import CannotExpress, Hints, default_of
from samovar.method import Method
from samovar.service import Service

VERSION = 1
# Larger ones are announced without descriptions, or not at all: READY has at most 256 KiB, names and all.
MAX_BYTES = 128 << 10


@dataclass(frozen=True)
class Complaint:
    """What of a method's hints a schema cannot say, and where that stands."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, its kind (inspect's), its default (inspect's `empty`: none), and its hint's shape."""

    name: str
    kind: Any
    default: Any
    shape: Shape

    def entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "name": self.name,
            "schema": self.shape.schema,
            "required": self.default is inspect.Parameter.empty,
        }
        if default_of(self.default) is not None:
            entry["default"] = default_of(self.default)
        if self.kind is inspect.Parameter.KEYWORD_ONLY:
            entry["keyword_only"] = True
        if self.kind is inspect.Parameter.POSITIONAL_ONLY:
            entry["positional_only"] = True
        return entry


def parameters_of(method: Method, hints: Hints) -> tuple[list[Parameter], Shape, list[str]]:
    """Its parameters as callers see them, its result or what it yields, and what of that cannot be expressed."""
    complaints: list[str] = []
    try:
        signature = inspect.signature(method.function)
    except (TypeError, ValueError):
        return [], Shape({}), ["its signature cannot be read"]
    declared = _hints_of(method.function, complaints)

    def shape(what: str, find: Callable[[Any], Shape], hint: Any) -> Shape:
        try:
            return find(hint)
        except CannotExpress as error:
            inside = "" if error.definition is None else f" ({error.definition.__name__})"
            complaints.append(f"{what}{inside}: {error}")
            return Shape({})

    parameters = []
    for index, (name, parameter) in enumerate(signature.parameters.items()):
        if index == 0 and method.wants_context:
            continue
        find = hints.element if method.batch else hints.shape
        found = shape(f"parameter {name!r}", find, declared.get(name, parameter.empty))
        parameters.append(Parameter(name, parameter.kind, parameter.default, found))
    find = hints.element if method.batch else hints.items if method.kind.streams else hints.shape
    result = shape("the result", find, declared.get("return", inspect.Signature.empty))
    return parameters, result, complaints


def _hints_of(function: Any, complaints: list[str]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(function), include_extras=True)
    except Exception as error:  # a name that only type checkers know
        complaints.append(f"its hints cannot be read: {error}")
        return {}


def describe(
    service: Service, name: str, complaints: list[Complaint] | None = None
) -> dict[str, Any]:
    """The schema of `service`, announced as `name`. What hints cannot say is added to `complaints`, and is anything."""
    hints = Hints(lenient=complaints is None)
    methods = {}
    for method in service.methods.values():
        parameters, result, found = parameters_of(method, hints)
        entry: dict[str, Any] = {
            "parameters": [each.entry() for each in parameters if not _is_rest(each)],
            "result": result.schema,
        }
        for rest in filter(_is_rest, parameters):
            word = "args" if rest.kind is inspect.Parameter.VAR_POSITIONAL else "kwargs"
            entry[word] = rest.shape.schema
        present = {"stream": method.kind.streams, "idempotent": method.idempotent}
        entry.update({key: True for key, value in present.items() if value})
        text = inspect.getdoc(method.function)
        if text:
            entry["description"] = text
        methods[method.name] = entry
        if complaints is not None:
            complaints += [Complaint(*_place(method), f"{method.name}: {each}") for each in found]
    document = {
        "samovar_schema": VERSION,
        "service": name,
        "methods": methods,
        "$defs": hints.definitions,
    }
    document["hash"] = hash_of(document)
    return document


def _is_rest(parameter: Parameter) -> bool:
    return parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _place(method: Method) -> tuple[str, int]:
    function = inspect.unwrap(method.function)
    code = getattr(function, "__code__", None)
    return ("?", 0) if code is None else (code.co_filename, code.co_firstlineno)


def hash_of(document: dict[str, Any]) -> int:
    """53 bits that say what callers depend on: not descriptions, nor whether a method is idempotent."""
    bare = without_descriptions({key: document[key] for key in ("methods", "$defs")})
    for method in bare["methods"].values():
        method.pop("idempotent", None)
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") >> 3


def without_descriptions(document: dict[str, Any]) -> dict[str, Any]:
    """A copy that has no text for people."""

    def bare(value: Any, holds_names: bool = False) -> Any:
        if isinstance(value, dict):
            # Below these, keys are names of users.
            return {
                key: bare(inside, key in ("methods", "$defs", "properties") and not holds_names)
                for key, inside in value.items()
                if holds_names or key != "description" or not isinstance(inside, str)
            }
        return [bare(inside) for inside in value] if isinstance(value, list) else value

    copy: dict[str, Any] = bare(document)
    return copy


def to_announce(document: dict[str, Any]) -> dict[str, Any] | None:
    """`document` as it fits READY: without descriptions if it must, None if that does not help."""
    for each in (document, without_descriptions(document)):
        if len(wire.encode_control(wire.READY, 0, each)) <= MAX_BYTES:
            return each
    return None


def converters_of(method: Method) -> tuple[dict[str, Convert], list[Parameter]]:
    """For its parameters whose arguments are to be made of what comes: how."""
    parameters, _, _ = parameters_of(method, Hints())
    found = {each.name: each.shape.convert for each in parameters if each.shape.convert}
    return found, parameters
