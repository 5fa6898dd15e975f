"""Type hints: their schemas, and arguments that become what they say."""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import typing
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, TypedDict, Union

import numpy
import pytest
from numpy.typing import NDArray

from samovar.conversion import BadArgument
from samovar.hints import CannotExpress, Hints

INT = {"type": "integer"}
TEXT = {"type": "string"}
NULL = {"type": "null"}


class Colour(enum.Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Point:
    """Where."""

    x: float
    y: float = 0.0


@dataclasses.dataclass
class Shape:
    name: str
    points: list[Point]
    colour: Colour = Colour.RED
    parent: "Optional[Shape]" = None
    tags: dict[str, Point] = dataclasses.field(default_factory=dict)


class Options(TypedDict):
    size: int
    label: NotRequired[str]


class Pair(NamedTuple):
    left: int
    right: Point


UserId = typing.NewType("UserId", int)


@pytest.mark.parametrize(
    ["hint", "schema"],
    [
        (int, INT),
        (bool, {"type": "boolean"}),
        (float, {"type": "number"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (Any, {}),
        (None, NULL),
        (Optional[int], {"anyOf": [INT, NULL]}),
        (int | str | None, {"anyOf": [INT, TEXT, NULL]}),
        (list[str], {"type": "array", "items": TEXT}),
        (collections.abc.Sequence[str], {"type": "array", "items": TEXT}),
        (tuple[int, ...], {"type": "array", "items": INT}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [INT, TEXT], "items": False, "minItems": 2},
        ),
        (dict[str, int], {"type": "object", "additionalProperties": INT}),
        (dict[int, str], {"type": "object", "additionalProperties": TEXT, "x-samovar-keys": INT}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (UserId, INT),
        (Colour, {"$ref": "#/$defs/Colour"}),
        (list[Point], {"type": "array", "items": {"$ref": "#/$defs/Point"}}),
    ],
    ids=str,
)
def test_a_hint_has_a_schema(hint, schema):
    assert Hints(lenient=False).shape(hint).schema == schema


def test_classes_are_defined_once_with_their_fields_defaults_and_descriptions():
    hints = Hints(lenient=False)
    hints.shape(list[Shape])
    hints.shape(Options)
    hints.shape(Level)
    assert hints.definitions["Colour"] == {
        "enum": ["red", "blue"],
        "x-samovar-names": ["RED", "BLUE"],
        "description": "What it looks like.",
    }
    assert hints.definitions["Level"] == {"enum": [1, 2], "x-samovar-names": ["LOW", "HIGH"]}
    assert hints.definitions["Point"] == {
        "type": "object",
        "properties": {"x": {"type": "number"}, "y": {"type": "number", "default": 0.0}},
        "required": ["x"],
        "description": "Where.",
    }
    shape = hints.definitions["Shape"]
    assert shape["required"] == ["name", "points"]
    assert shape["properties"]["parent"] == {
        "anyOf": [{"$ref": "#/$defs/Shape"}, NULL],
        "default": None,
    }
    assert shape["properties"]["colour"] == {"$ref": "#/$defs/Colour", "default": "red"}
    assert shape["properties"]["tags"]["default"] == {}
    assert hints.definitions["Options"]["required"] == ["size"]


def test_two_classes_of_one_name_are_told_apart():
    def make(kind):
        return dataclasses.make_dataclass("Point", [("value", kind)])

    hints = Hints(lenient=False)
    first, second = hints.shape(make(int)).schema, hints.shape(make(str)).schema
    assert first != second and len(hints.definitions) == 2


@pytest.mark.parametrize(
    ["hint", "words"],
    [
        (set[int], "set"),
        (decimal.Decimal, "Decimal does not travel: use str or float"),
        (datetime.timedelta, "timedelta does not travel: use float"),
        (dict[float, int], "keys are str, int or bytes"),
        (typing.TypeVar("T"), "cannot be expressed"),
        (object.__class__, "type cannot be expressed: make it a dataclass"),
        (enum.Enum("Mixed", {"A": 1, "B": "b"}), "values are to be all str, or all int"),
        (dataclasses.make_dataclass("Holder", [("inside", set)]), "set does not travel: use list"),
    ],
    ids=str,
)
def test_what_cannot_be_expressed_says_what_to_use_instead(hint, words):
    with pytest.raises(CannotExpress, match=words):
        Hints(lenient=False).shape(hint)
    assert Hints().shape(hint).schema == {}


def test_numpy_arrays_have_their_dtype():
    assert Hints().shape(NDArray[numpy.float32]).schema == {
        "type": "array",
        "x-samovar-array": "f4",
    }
    for unsaid in (numpy.ndarray, NDArray[Any], NDArray[numpy.floating]):
        assert Hints().shape(unsaid).schema == {"type": "array", "x-samovar-array": ""}
        with pytest.raises(CannotExpress, match="does not say what it holds: write numpy.typing"):
            Hints(lenient=False).shape(unsaid)


def convert(hint: Any, value: Any) -> Any:
    shape = Hints(lenient=False).shape(hint)
    return value if shape.convert is None else shape.convert(value)


def test_what_comes_as_it_is_needs_no_conversion():
    for hint in (
        int,
        str,
        list[int],
        dict[str, list[str]],
        Optional[bytes],
        Any,
        datetime.datetime,
    ):
        assert Hints().shape(hint).convert is None


def test_maps_become_dataclasses_all_the_way_down():
    square = {"name": "s", "points": [{"x": 1.5}, {"x": 2, "y": 3}], "colour": "blue"}
    square["parent"] = {"name": "p", "points": []}
    square["tags"] = {"a": {"x": 1}}
    assert convert(Shape, square) == Shape(
        "s", [Point(1.5), Point(2, 3)], Colour.BLUE, Shape("p", []), {"a": Point(1)}
    )


def test_lists_become_tuples_and_values_become_members_of_their_enum():
    assert convert(tuple[int, Colour], [1, "red"]) == (1, Colour.RED)
    assert convert(tuple[int, ...], [1, 2]) == (1, 2)
    assert convert(Pair, [1, {"x": 2}]) == Pair(1, Point(2))
    assert convert(Optional[Level], 2) is Level.HIGH and convert(Optional[Level], None) is None


def test_a_union_takes_the_first_type_that_fits():
    hint = Union[Point, list[Point], str, None]
    assert convert(hint, {"x": 1}) == Point(1)
    assert convert(hint, [{"x": 1}]) == [Point(1)]
    assert convert(hint, "text") == "text"
    assert convert(hint, None) is None
    with pytest.raises(BadArgument, match="of type int"):
        convert(hint, 5)


def test_a_field_with_a_default_may_be_nil_as_if_it_were_not_there():
    assert convert(Point, {"x": 1, "y": None}) == Point(1, 0.0)
    assert convert(Options, {"size": 1, "label": None}) == {"size": 1}


@pytest.mark.parametrize(
    ["hint", "value", "words"],
    [
        (Point, 5, "is of type int, not a map of Point"),
        (Point, {"x": 1, "z": 2}, "has a field 'z' that Point has not: it has x, y"),
        (Point, {"y": 1}, "has no field 'x', which Point needs"),
        (
            Shape,
            {"name": "s", "points": [{"x": 1}, 7]},
            r"\.points\[1\] is of type int, not a map of Point",
        ),
        (dict[str, Colour], {"k": "green"}, r"\['k'\] is 'green', not one of 'red', 'blue'"),
        (Literal["a", 1], True, "is True, not one of 'a', 1"),
        (tuple[int, str], [1], "has 1 elements, not 2"),
        (tuple[int, ...], 3, "is of type int, not a list"),
        (list[Point], {}, "is of type dict, not a list"),
        (dict[str, Point], [], "is of type list, not a map"),
    ],
)
def test_what_does_not_fit_says_where_and_what_was_expected(hint, value, words):
    with pytest.raises(BadArgument, match=words):
        convert(hint, value)


def test_what_a_class_refuses_is_a_bad_argument():
    @dataclasses.dataclass
    class Positive:
        value: int

        def __post_init__(self) -> None:
            if self.value < 0:
                raise ValueError("the value is below 0")

    with pytest.raises(BadArgument, match="is no Positive: the value is below 0"):
        convert(Positive, {"value": -1})
