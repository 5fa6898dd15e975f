"""The loop over a bundle, and replies to bytes, without sockets."""

import collections
import datetime
import decimal
import enum
import time
from typing import Any

import msgpack
import pytest
from hypothesis import given
from test_wire import values

from samovar import Service, WithAttachments, attachments, wire
from samovar.board import LAST_STARTED, STARTED_NS, Slot
from samovar.bundles import decode_replies, decode_requests
from samovar.structure import too_deep
from samovar.executor import FLUSH_NS, Executor

service = Service("s")
board = Slot()


@service.method
def give(value: Any) -> Any:
    return value


@service.method
def board_says() -> list[Any]:
    return [board.sessions[0][LAST_STARTED], board.sessions[0][STARTED_NS] > 0]


@service.method
def call(function: Any) -> Any:
    return RESULTS[function]()


@service.method
def spin(microseconds: int) -> None:
    end = time.monotonic_ns() + microseconds * 1000
    while time.monotonic_ns() < end:
        pass


@service.method
def attached_sizes() -> list[int]:
    return [len(buffer) for buffer in attachments()]


RESULTS: dict[str, Any] = {}


class Colour(enum.Enum):
    RED = {255, 0}


class Run:
    """Runs items, and keeps what was sent."""

    def __init__(self, max_body: int = 1 << 20) -> None:
        self.sent: list[list[Any]] = []
        self.executor = Executor(service, "s", board.sessions[0], self.sent.append)
        self.executor.encoder.max_body = max_body

    def __call__(
        self, *items: list[Any], sent_ns: int | None = None, frames: Any = ()
    ) -> list[Any]:
        """The replies as tuples (status, value), in the order of the items."""
        flat: list[Any] = []
        for number, item in enumerate(items):
            flat += [100 + number, 1, 0, item[2] if len(item) > 2 else 10**9, f"s.{item[0]}"]
            flat += [list(item[1]), None, item[3] if len(item) > 3 else None]
        frame = msgpack.packb([1, 2, 77, 0, *flat], datetime=True)
        message = decode_requests(frame, len(frames))
        now = time.monotonic_ns()
        self.executor.run(message, now, now if sent_ns is None else sent_ns, list(frames))
        replies: list[Any] = []
        for frames_sent in self.sent:
            decoded = decode_replies(frames_sent[0], len(frames_sent) - 1)
            assert decoded[2] == 77
            replies += [decoded[n : n + 6] for n in range(3, len(decoded), 6)]
        replies.sort(key=lambda reply: reply[0])
        assert [reply[:2] for reply in replies] == [[100 + n, 1] for n in range(len(items))]
        return [(reply[2], reply[4]) for reply in replies]


def result(function: Any) -> Any:
    """What a caller gets when a handler returns function()."""
    RESULTS["it"] = function
    run = Run()
    [before, reply, after] = run(["give", [1]], ["call", ["it"]], ["give", [2]])
    assert (before, after) == ((0, 1), (0, 2))
    return reply


@given(values)
def test_results_come_back_as_they_went(value):
    assert Run()(["give", [value]], ["give", [value]]) == [(0, value)] * 2


def test_the_board_shows_what_runs_and_then_that_nothing_does():
    assert Run()(["board_says", []], ["board_says", []])[1] == (0, [101, True])
    assert board.sessions[0][STARTED_NS] == 0
    assert board.sessions[0][LAST_STARTED] == 101


def test_run_times_are_measured_for_each_item():
    run = Run()
    run(["give", [1]], ["spin", [3000]], ["give", [1]])
    times = [t for frames in run.sent for t in decode_replies(frames[0])[6::6]]
    assert len(times) == 3
    assert times[1] >= 3000


def test_replies_do_not_wait_for_what_comes_200_us_later():
    run = Run()
    run(*[["give", [n]] for n in range(5)], ["spin", [FLUSH_NS // 1000]], ["give", [1]])
    assert len(run.sent) >= 2
    counts = [(len(decode_replies(frames[0])) - 3) // 6 for frames in run.sent]
    assert counts[-1] == 1


def test_an_item_whose_deadline_passes_while_others_run_is_not_run():
    replies = Run()(["spin", [2000]], ["give", ["late"], 1000], ["give", ["in time"]])
    assert [status for status, _ in replies] == [0, wire.DEADLINE_EXCEEDED, 0]
    assert replies[1][1]["where"] == "queued"


def test_a_bundle_that_came_too_late_is_not_run():
    replies = Run()(
        ["give", [1], 1000], ["give", [2], 10**9], sent_ns=time.monotonic_ns() - 2_000_000
    )
    assert [status for status, _ in replies] == [wire.DEADLINE_EXCEEDED, 0]


@pytest.mark.parametrize(
    "make, text",
    [
        (
            lambda: {1, 2},
            "the result of s.call is a set, which msgpack cannot encode; return a list",
        ),
        (lambda: {"x": [0, {1}]}, "holds a set at result['x'][1], which"),
        (lambda: [2**64], "holds an integer beyond 64 bits at result[0]"),
        (lambda: -(2**63) - 1, "is an integer beyond 64 bits"),
        (lambda: "\ud800", "is a str with lone surrogates"),
        (lambda: {"k": "\ud800"}, "holds a str with lone surrogates at result['k']"),
        (lambda: datetime.datetime(2024, 1, 1), "is a datetime without a time zone"),
        (
            lambda: datetime.date(2024, 1, 1),
            "is a date, which msgpack cannot encode; return .isoformat()",
        ),
        (
            lambda: decimal.Decimal(1),
            "is a Decimal, which msgpack cannot encode; return str or float",
        ),
        (lambda: Colour.RED, "holds a set at result.value, which msgpack cannot encode"),
        (lambda: {(1, frozenset()): 1}, "holds a frozenset at a key of result[1]"),
        (lambda: (n for n in "ab"), "return a list of what it yields"),
        (lambda: object(), "is an object, which msgpack cannot encode; return only None, bool"),
        (lambda: [WithAttachments(1, [])], "return it as the whole result"),
    ],
)
def test_results_that_cannot_be_encoded_name_what_and_where(make, text):
    status, value = result(make)
    assert status == wire.APP_ERROR
    assert text in value["message"]
    assert value["type"]


def test_a_result_that_holds_itself_or_is_too_deep_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    status, value = result(lambda: loop)
    assert status == wire.APP_ERROR and "nested" in value["message"]

    def nested(levels: int) -> Any:
        value: Any = 1
        for level in range(levels):
            value = [value] if level % 2 else {"k": value}
        return value

    assert result(lambda: nested(63)) == (0, nested(63))
    status, value = result(lambda: nested(64))
    assert status == wire.APP_ERROR and "more than 63 levels" in value["message"]


def test_depth_is_counted_in_lists_maps_and_tuples():
    assert not too_deep([1, "a", {}, []], 1)
    assert too_deep([1], 0) is False
    assert too_deep([[]], 0)
    assert too_deep([{"a": ({"b": []},)}], 3)
    assert not too_deep([{"a": ({"b": []},)}], 4)


def test_tuples_subclasses_and_buffers_are_encoded_as_what_they_are():
    point = collections.namedtuple("point", "x y")
    assert result(lambda: (1, point(2, 3))) == (0, [1, [2, 3]])
    assert result(lambda: collections.OrderedDict(a=1)) == (0, {"a": 1})
    assert result(lambda: bytearray(b"ab")) == (0, b"ab")
    assert result(lambda: memoryview(b"ab")) == (0, b"ab")


def test_a_result_that_a_later_call_changes_is_sent_as_it_was():
    shared: dict[str, Any] = {"inner": [0]}

    def change() -> Any:
        shared["inner"][0] += 1
        return {"fresh": shared["inner"]}

    RESULTS["it"] = change
    replies = Run()(*[["call", ["it"]]] * 3)
    assert [value["fresh"] for _, value in replies] == [[1], [2], [3]]


def test_exceptions_are_described_even_if_they_resist():
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def rude() -> None:
        raise Rude

    def surrogate() -> None:
        raise ValueError("\ud800" + "x" * 100_000)

    status, value = result(rude)
    assert status == wire.APP_ERROR and "its text cannot be had" in value["message"]
    status, value = result(surrogate)
    assert len(value["message"].encode()) < wire.MAX_ERROR_TEXT
    assert len(value["traceback"].encode()) < wire.MAX_ERROR_TEXT


def test_attachments_belong_to_their_item():
    run = Run()
    replies = run(
        ["attached_sizes", [], 10**9, {"attachments": 1}],
        ["attached_sizes", []],
        ["attached_sizes", [], 10**9, {"attachments": 2, "traceparent": "t"}],
        frames=[b"a", b"bb", b"ccc"],
    )
    assert [value for _, value in replies] == [[1], [], [2, 3]]
    assert attachments() == []


def test_results_with_attachments_leave_at_once_with_their_frames():
    RESULTS["it"] = lambda: WithAttachments({"n": 2}, [b"a", b""])
    run = Run()
    assert run(["give", [1]], ["call", ["it"]], ["give", [2]])[1] == (0, {"n": 2})
    [message] = [frames for frames in run.sent if len(frames) > 1]
    assert [bytes(frame) for frame in message[1:]] == [b"a", b""]
    assert decode_replies(message[0], 2)[-2:] == [{"n": 2}, {"attachments": 2}]  # nothing behind it


def test_results_without_anything_nested_are_encoded_together():
    """So that the fast path stays fast: a bundle of small maps is packed once."""
    shared = {"ip": "1.0.1.0", "country": "CN"}
    RESULTS["it"] = lambda: shared
    run = Run()
    run(["call", ["it"]])  # a method's first map is looked at
    run.sent.clear()
    lists: list[list[bytes]] = []
    messages = run.executor.encoder.messages
    run.executor.encoder.messages = lambda replies, pieces, requests: (  # type: ignore[method-assign]
        lists.append(pieces),
        messages(replies, pieces, requests),
    )[
        1
    ]
    assert run(*[["call", ["it"]]] * 8, ["give", [1]], ["give", [None]])[7:] == [
        (0, shared),
        (0, 1),
        (0, None),
    ]
    assert not any(lists)


def test_a_map_that_a_later_call_changes_is_sent_as_it_was():
    shared: dict[Any, Any] = {}

    def change() -> Any:
        shared[len(shared)] = "x"
        return shared

    RESULTS["it"] = change
    run = Run()
    replies = run(*[["call", ["it"]]] * 4, ["give", [{}]])
    assert [len(value) for _, value in replies] == [1, 2, 3, 4, 0]
    run.sent.clear()
    shared.clear()
    assert [len(value) for _, value in run(*[["call", ["it"]]] * 4)] == [1, 2, 3, 4]


def test_a_buffer_in_a_map_that_a_later_call_changes_is_sent_as_it_was():
    buffer = bytearray(1)
    shared: dict[str, Any] = {"buffer": buffer}

    def change() -> Any:
        buffer[0] += 1
        return {"buffer": buffer} if buffer[0] % 2 else shared

    def fail() -> Any:
        raise ValueError

    RESULTS["it"] = change
    RESULTS["fail"] = fail
    replies = Run()(["call", ["fail"]], *[["call", ["it"]]] * 4)
    assert [value["buffer"][0] for _, value in replies[1:]] == [1, 2, 3, 4]


def test_a_result_that_cannot_be_encoded_spoils_no_other_whatever_their_kinds():
    run = Run()
    RESULTS["bad map"] = lambda: {"when": datetime.datetime(2024, 1, 1)}
    RESULTS["bad text"] = lambda: "\ud800"
    RESULTS["bad list"] = lambda: [{1}]
    items = [["give", [[1]]], ["give", [{"a": 1}]], ["give", ["x"]]]
    for name in ("bad map", "bad text", "bad list"):
        items += [["call", [name]], ["give", [name]], ["give", [[name]]], ["give", [{name: 1}]]]
    replies = run(*items)
    assert [number for number, reply in enumerate(replies) if reply[0] != 0] == [3, 7, 11]
    assert (
        "s.call holds a datetime without a time zone at result['when']" in replies[3][1]["message"]
    )
    assert [value for _, value in replies[8:11]] == ["bad text", ["bad text"], {"bad text": 1}]


def test_results_that_wait_and_others_share_messages_up_to_the_limit():
    run = Run(max_body=1000)
    RESULTS["attached"] = lambda: WithAttachments("a", [bytes(500)])
    items = [["give", [{"a": "x" * 200}]], ["give", [["y" * 200]]], ["give", ["z" * 990]]] * 3
    replies = run(*items, ["call", ["attached"]])
    assert all(sum(len(bytes(frame)) for frame in frames) <= 1000 for frames in run.sent)
    assert [status for status, _ in replies] == [0, 0, wire.TOO_LARGE] * 3 + [0]
    assert "the result of s.give has" in replies[2][1]["message"]
    [message] = [frames for frames in run.sent if len(frames) > 1]
    assert decode_replies(message[0], 1)[-2:] == ["a", {"attachments": 1}]


@pytest.mark.parametrize("size", [900, 950, 960, 970, 980, 990, 1000, 1100])
def test_no_message_exceeds_the_limit(size):
    run = Run(max_body=1000)
    replies = run(*[["give", [b"x" * size]]] * 3, ["give", [1]])
    assert all(sum(len(frame) for frame in frames) <= 1000 for frames in run.sent)
    assert replies[3] == (0, 1)
    assert {status for status, _ in replies[:3]} <= {wire.OK, wire.TOO_LARGE}
    assert replies[0][0] == (wire.OK if size < 960 else replies[0][0])
    if size >= 1000:
        assert "more than the 1000 that a message may have" in replies[0][1]["message"]


def test_attachments_count_towards_the_limit():
    RESULTS["it"] = lambda: WithAttachments(None, [bytes(600), bytes(600)])
    assert Run(max_body=1000)(["call", ["it"]])[0][0] == wire.TOO_LARGE
    assert Run(max_body=2000)(["call", ["it"]])[0][0] == wire.OK


def test_many_large_results_are_spread_over_messages():
    run = Run(max_body=1000)
    assert run(*[["give", [b"x" * 400]]] * 20) == [(0, b"x" * 400)] * 20
    assert len(run.sent) >= 10
