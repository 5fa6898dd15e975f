"""A service with everything that a type hint can say."""

import dataclasses
import datetime
import enum
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

import numpy
from numpy.typing import NDArray

from samovar import Context, Service

service = Service("atelier")


class Colour(enum.Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"
    default = "default"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 20


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.5


@dataclasses.dataclass
class Drawing:
    """A drawing.

    With a "quoted" word, and a question??/
    """

    title: Annotated[str, "shown above it"]
    points: list[Point]
    colour: Colour = Colour.RED
    level: Level = Level.HIGH
    parent: "Optional[Drawing]" = None
    parts: "list[Drawing]" = dataclasses.field(default_factory=list)
    tags: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    made: Optional[datetime.datetime] = None
    data: bytes = b""
    namespace: str = 'a "word"'  # a word of C++
    size: tuple[int, int] = (1, 2)


class Settings(TypedDict):
    width: int
    label: NotRequired[str]


@service.method(idempotent=True)
def scale(drawing: Drawing, factor: float = 2.0, *, colour: Colour | None = None) -> Drawing:
    """Scales a drawing.

    factor: by how much
    """
    points = [Point(point.x * factor, point.y * factor) for point in drawing.points]
    return dataclasses.replace(drawing, points=points, colour=colour or drawing.colour)


@service.method
def echo(
    number: int,
    real: float,
    flag: bool,
    text: str,
    data: bytes,
    when: datetime.datetime,
    pair: tuple[int, str],
    table: dict[int, str],
    mode: Literal["fast", "exact"],
    level: Level,
    settings: Settings,
    anything: Any,
    maybe: Optional[str],
) -> tuple[
    int,
    float,
    bool,
    str,
    bytes,
    datetime.datetime,
    tuple[int, str],
    dict[int, str],
    str,
    Level,
    Settings,
    Any,
    Optional[str],
]:
    assert isinstance(level, Level) and isinstance(pair, tuple)
    return (
        number,
        real,
        flag,
        text,
        data,
        when,
        pair,
        table,
        mode,
        level,
        settings,
        anything,
        maybe,
    )


@service.method
def double(values: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    return values * 2


@service.method
def nothing() -> None:
    pass


@service.method
def delete(*, template: str, times: int = 1) -> str:
    """Its names are words of C++."""
    return template * times


@service.method
def fail(message: str) -> int:
    raise ValueError(message)


@service.method
async def later(text: str) -> str:
    return text.upper()


@service.batch()
def lengths(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


@service.method
def corners(ctx: Context, drawing: Drawing) -> Iterator[Point]:
    yield from drawing.points


@service.method
async def count(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number
