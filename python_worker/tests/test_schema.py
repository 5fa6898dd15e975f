"""Schemas of services, and handlers that are given what their hints say."""

import dataclasses
import enum
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgpack

from samovar import Context, Service, wire
from samovar.board import Slot
from samovar.bundles import decode_replies, decode_requests
from samovar.executor import Executor
from samovar.schema import MAX_BYTES, describe, hash_of, to_announce, without_descriptions


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclasses.dataclass
class Place:
    name: str
    height: float = 0.0


@dataclasses.dataclass
class Reading:
    place: Place
    value: float
    unit: Unit


def make_service() -> Service:
    service = Service("weather")

    @service.method(idempotent=True)
    def read(place: Place, unit: Unit = Unit.C, *, digits: int = 1) -> Reading:
        """The temperature now."""
        return Reading(place, round(21.456, digits), unit)

    @service.method
    def watch(ctx: Context, place: Place) -> Iterator[Reading]:
        yield Reading(place, 1.0, Unit.C)

    @service.method
    async def later(places: list[Place]) -> AsyncIterator[str]:
        yield places[0].name

    @service.batch()
    def names(places: list[Place]) -> list[str]:
        return [place.name for place in places]

    return service


def test_a_schema_has_parameters_results_defaults_and_descriptions():
    document = describe(make_service(), "weather")
    assert document["samovar_schema"] == 1 and document["service"] == "weather"
    place = {"$ref": "#/$defs/Place"}
    assert document["methods"]["read"] == {
        "parameters": [
            {"name": "place", "schema": place, "required": True},
            {
                "name": "unit",
                "schema": {"$ref": "#/$defs/Unit"},
                "required": False,
                "default": "celsius",
            },
            {
                "name": "digits",
                "schema": {"type": "integer"},
                "required": False,
                "default": 1,
                "keyword_only": True,
            },
        ],
        "result": {"$ref": "#/$defs/Reading"},
        "idempotent": True,
        "description": "The temperature now.",
    }
    assert document["methods"]["watch"] == {
        "parameters": [{"name": "place", "schema": place, "required": True}],
        "result": {"$ref": "#/$defs/Reading"},
        "stream": True,
    }
    assert document["methods"]["later"]["result"] == {"type": "string"}
    assert document["methods"]["names"] == {
        "parameters": [{"name": "places", "schema": place, "required": True}],
        "result": {"type": "string"},
    }


def test_the_hash_follows_what_callers_depend_on_and_nothing_else():
    document = describe(make_service(), "weather")
    assert document["hash"] == describe(make_service(), "weather")["hash"] > 0
    changed = without_descriptions(document)
    changed["methods"]["read"]["idempotent"] = False
    assert hash_of(changed) == document["hash"]
    changed["methods"]["read"]["parameters"][0]["required"] = False
    assert hash_of(changed) != document["hash"]


def test_without_descriptions_names_stay():
    service = Service("s")

    @dataclasses.dataclass
    class Item:
        """An item."""

        description: str

    @service.method
    def description(item: Item) -> str:
        """Says."""
        return item.description

    bare = without_descriptions(describe(service, "s"))
    assert "description" not in bare["methods"]["description"]
    assert bare["$defs"]["Item"]["properties"] == {"description": {"type": "string"}}
    assert "description" not in bare["$defs"]["Item"]


def test_what_does_not_fit_a_message_is_announced_shorter_or_not_at_all():
    service = Service("s")

    def method(value: int) -> int:
        return value

    method.__doc__ = "x" * MAX_BYTES
    service.method(method)
    announced = to_announce(describe(service, "s"))
    assert announced is not None and "description" not in announced["methods"]["method"]
    for index in range(1000):
        service.method(name=f"a{index:0190}")(lambda value: value)
    assert to_announce(describe(service, "s")) is None


def test_complaints_name_the_file_the_line_and_the_way_out():
    service = Service("s")

    @service.method
    def method(values: set[int]) -> "Missing":  # type: ignore[name-defined]  # noqa: F821
        return values

    complaints: list[Any] = []
    describe(service, "s", complaints)
    texts = [str(each) for each in complaints]
    assert any(f"{__file__}:" in each and "'Missing' is not defined" in each for each in texts)


class Run:
    def __init__(self, service: Service) -> None:
        service.prepare(service.name)
        self.sent: list[list[Any]] = []
        self.executor = Executor(service, service.name, Slot().sessions[0], self.sent.append)

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> tuple[int, Any]:
        frame = msgpack.packb([1, 2, 77, 0, 9, 1, 0, 10**9, method, args, kwargs or None, None])
        now = time.monotonic_ns()
        self.executor.run(decode_requests(frame, 0), now, now)
        replies = decode_replies(self.sent.pop()[0], 0)
        return replies[5], replies[7]


def test_a_handler_is_given_what_its_hints_say_and_returns_it_as_maps():
    run = Run(make_service())
    assert run("weather.read", {"name": "Oslo"}, "fahrenheit", digits=2) == (
        wire.OK,
        {"place": {"name": "Oslo", "height": 0.0}, "value": 21.46, "unit": "fahrenheit"},
    )


def test_an_argument_that_does_not_fit_is_a_bad_request_that_says_where():
    run = Run(make_service())
    status, error = run("weather.read", {"name": "Oslo", "hight": 1})
    assert status == wire.BAD_REQUEST
    assert error["message"] == (
        "weather.read: parameter 'place' has a field 'hight' that Place has not: it has name, height"
    )
    status, error = run("weather.read")
    assert status == wire.BAD_REQUEST and "missing a required argument: 'place'" in error["message"]


def test_the_traceback_of_a_converted_call_begins_at_the_handler():
    service = Service("s")

    @service.method
    def fail(place: Place) -> None:
        raise RuntimeError(place.name)

    status, error = Run(service)("s.fail", {"name": "Oslo"})
    assert status == wire.APP_ERROR and error["message"] == "s.fail raised RuntimeError: Oslo"
    assert "typed.py" not in error["traceback"]


def test_a_result_of_dataclasses_too_deep_for_a_message_is_refused():
    @dataclasses.dataclass
    class Node:
        inside: Any

    service = Service("s")

    @service.method
    def deep(levels: int) -> Any:
        node = None
        for _ in range(levels):
            node = Node([node])
        return node

    run = Run(service)
    assert run("s.deep", 3) == (wire.OK, {"inside": [{"inside": [{"inside": [None]}]}]})
    status, error = run("s.deep", 40)
    assert status == wire.APP_ERROR and "nested more than" in error["message"]
