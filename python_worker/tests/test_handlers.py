"""Handlers of every kind in a real worker process, against a fake broker."""

import os
import signal
import time
from typing import Any

import msgpack
import numpy
import pytest
from crew import Crew

from samovar import wire


def test_ready_says_what_may_be_assumed_of_each_method(crew):
    ready = crew.worker.ready
    assert ready["concurrency"] == 100
    methods = ready["methods"]
    assert methods["echo"] == {}
    assert methods["wait"] == {"cancel": True}
    assert methods["in_thread"] == {"cancel": True}
    assert methods["count"] == {"cancel": True, "stream": True}
    assert methods["count_later"] == {"cancel": True, "stream": True}
    assert methods["double"] == {"cancel": True}
    assert methods["board"] == {
        "idempotent": True,
        "pure": True,
        "priority": 2,
        "timeout_us": 2_500_000,
        "hard_timeout_us": 30_000_000,
    }


# --- async, threads -----------------------------------------------------------------------------------


def test_async_handlers_run_at_once_and_plain_ones_between_them(crew):
    ids = [crew.begin("wait", f"w{n}") for n in range(20)]
    assert crew.ok("echo", 5) == 5
    assert not any(id_ in crew.broker.replies for id_ in ids)
    crew.ok("open_gate")
    assert [crew.broker.reply(id_).value for id_ in ids] == [f"w{n}" for n in range(20)]


def test_nothing_waits_for_the_loop_to_look_again(crew):
    began = time.monotonic()
    for _ in range(10):
        assert crew.ok("large_later", b"x") == b"x"
    replies = crew.broker.call(crew.worker, crew.broker.item("crew.pairs", 1, 2))
    assert replies[0].value == 3
    id_ = crew.stream("count_later", 10, window=1)
    for n in range(1, 11):
        crew.broker.values(id_, n)
        crew.broker.widen(crew.worker, id_, n + 1)
    crew.broker.reply(id_)
    assert time.monotonic() - began < 8  # a look each second: more than 20


def test_async_errors_are_explained_like_all_others(crew):
    reply = crew.call("fail_later", "late")
    assert reply.value["message"] == "crew.fail_later raised ValueError: late"
    assert "crew.py" in reply.value["traceback"].splitlines()[1]
    reply = crew.call("wait")
    assert (
        reply.status == wire.BAD_REQUEST and "missing a required argument" in reply.value["message"]
    )
    reply = crew.call("leave")
    assert reply.status == wire.APP_ERROR and reply.value["type"] == "SystemExit"
    assert crew.call("nobody").status == wire.BAD_REQUEST
    assert crew.ok("echo", 1) == 1


def test_an_async_handler_ends_at_its_deadline(crew):
    reply = crew.call("wait", "w", timeout_us=50_000)
    assert reply.status == wire.DEADLINE_EXCEEDED and reply.value["where"] == "running"
    crew.wait_for_note("w ended")


def test_functions_in_threads_run_as_many_at_once_as_they_say(crew):
    ids = [crew.begin("in_thread", name) for name in ("a", "b", "bad")]
    waiting = crew.begin("echo", "behind")  # begins in order: the third waits for a thread
    crew.broker.pump(0.05)
    assert waiting not in crew.broker.replies
    crew.broker.cancel(crew.worker, ids[0])
    assert crew.broker.reply(ids[0]).status == wire.CANCELLED
    crew.wait_for_note("a ended, cancelled True")
    crew.broker.reply(waiting)
    crew.ok("open_gate")
    assert crew.broker.reply(ids[1]).value == ["b", False, []]
    bad = crew.broker.reply(ids[2])
    assert bad.value["type"] == "KeyError"
    assert "in in_thread" in bad.value["traceback"].splitlines()[1]


# --- streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["count", "count_later"])
def test_a_generator_streams_its_items_and_ends_with_nil(crew, method):
    id_ = crew.stream(method, 5)
    assert crew.broker.reply(id_).value is None
    assert crew.broker.values(id_, 5) == [0, 1, 2, 3, 4]
    assert crew.broker.reply(crew.stream(method, 0)).status == wire.OK


@pytest.mark.parametrize("method", ["count", "count_later"])
def test_a_stream_rests_while_its_window_is_used_up_and_others_run(crew, method):
    id_ = crew.stream(method, 10, window=3)
    crew.broker.values(id_, 3)
    assert crew.ok("echo", 1) == 1
    other = crew.stream("count", 4, window=100)
    crew.broker.reply(other)
    assert len(crew.broker.items[id_]) == 3
    crew.broker.widen(crew.worker, id_, 2)  # less than before: changes nothing
    crew.broker.widen(crew.worker, id_, 4)
    crew.broker.values(id_, 4)
    assert crew.ok("echo", 2) == 2
    assert len(crew.broker.items[id_]) == 4
    crew.broker.widen(crew.worker, id_, 1000)
    assert crew.broker.reply(id_).status == wire.OK
    assert crew.broker.values(id_, 10) == list(range(10))


def test_an_error_in_mid_stream_comes_behind_the_items(crew):
    id_ = crew.stream("break_off", 2)
    reply = crew.broker.reply(id_)
    assert reply.value["message"] == "crew.break_off raised RuntimeError: no more"
    assert "in break_off" in reply.value["traceback"].splitlines()[1]
    assert crew.broker.values(id_, 2) == [0, 1]
    assert crew.broker.reply(crew.stream("count")).status == wire.BAD_REQUEST


@pytest.mark.parametrize("method", ["count", "count_later"])
def test_a_stream_ends_at_its_deadline_although_its_reader_sleeps(crew, method):
    id_ = crew.stream(method, 100, window=2, timeout_us=60_000)
    reply = crew.broker.reply(id_)
    assert reply.status == wire.DEADLINE_EXCEEDED
    assert len(crew.broker.items[id_]) == 2
    crew.wait_for_note(f"{method} 100 closed")


def test_an_item_that_cannot_be_sent_ends_its_stream(crew):
    id_ = crew.stream("odd_item")
    reply = crew.broker.reply(id_)
    assert reply.status == wire.APP_ERROR and "is a set, which msgpack" in reply.value["message"]
    assert crew.broker.values(id_, 1) == [1]


def test_items_may_have_attachments_and_be_arrays(crew):
    id_ = crew.stream("pieces")
    assert crew.broker.reply(id_).status == wire.OK
    first, second, third = crew.broker.items[id_]
    assert first.value == "first" and first.attachments == [b"abc"]
    assert unpacked(second.value) == [0, "<i2", [3]]
    assert second.attachments == [bytes([0, 0, 1, 0, 2, 0])]
    assert third.value == [] and third.attachments == []


def test_a_slow_item_is_sent_at_once_and_many_ready_ones_together(crew):
    ids = [crew.stream("count_later", 2, 0.02) for _ in range(3)]
    for id_ in ids:
        crew.broker.reply(id_)
    assert len({item.message for item in crew.broker.items[ids[0]]}) == 2
    id_ = crew.stream("count_later", 16, window=17)
    crew.broker.reply(id_)
    assert len({item.message for item in crew.broker.items[id_]}) < 16


def test_a_stream_must_be_called_as_one(crew):
    reply = crew.call("count", 3)
    assert reply.status == wire.BAD_REQUEST and "streams its result" in reply.value["message"]


# --- context ------------------------------------------------------------------------------------------


def test_a_context_tells_about_the_request(crew):
    ext = {"caller": "desk", "traceparent": "00-1-2-01"}
    got = crew.ok("about", 7, timeout_us=5_000_000, ext=ext)
    assert got["value"] == 7 and got["caller"] == "desk" and got["traceparent"] == "00-1-2-01"
    assert 4 < got["left"] <= 5 and 4 < got["deadline"] <= 5 and got["cancelled"] is False
    assert got["attempt"] == 1 and got["state"] == "loaded" and got["method"] == "crew.about"
    crew.pool.read_until(f"crew.about request {got['id']}: 1 of 2, half")
    assert crew.ok("about", kwargs={"value": 3})["value"] == 3
    reply = crew.call("about", 1, 2)
    assert reply.status == wire.BAD_REQUEST and "ctx" not in reply.value["message"]


def test_the_board_shows_the_call_whose_hard_limit_comes_first(crew):
    id_ = crew.begin("board")
    last, started, hard_ms, due = crew.broker.reply(id_).value
    assert (last, hard_ms, due) == (id_, 30_000, 0) and started
    waiting = crew.begin("wait", "w")
    id_ = crew.begin("board_of_default")
    last, _, hard_ms, due = crew.broker.reply(id_).value
    assert (last, hard_ms, due) == (id_, 0, waiting)
    id_ = crew.begin("board")
    last, _, hard_ms, due = crew.broker.reply(id_).value
    assert (last, hard_ms, due) == (id_, 30_000, id_)
    crew.ok("open_gate")
    crew.broker.reply(waiting)


def test_a_thread_that_hangs_is_ended_by_its_own_hard_limit_and_named(crew):
    waiting = crew.begin("wait", "w")
    id_ = crew.begin("hang")
    assert crew.ok("echo", 1) == 1
    obituary = crew.broker.obituary()
    assert f"request {id_} ran longer than its method's hard_timeout" in obituary["reason"]
    assert "in hang" in obituary["stack"]
    assert not {waiting, id_} & set(crew.broker.replies)


def test_an_async_handler_past_its_hard_limit_is_ended_alone(crew):
    waiting = crew.begin("wait", "w")
    reply = crew.call("sleep_long")
    assert reply.status == wire.DEADLINE_EXCEEDED and "hard limit" in reply.value["message"]
    crew.ok("open_gate")
    assert crew.broker.reply(waiting).value == "w"
    assert not crew.broker.worker().obituaries


def test_who_looks_at_its_context_survives_the_pools_hard_limit(broker, start, tmp_path):
    start("crew:service", "--hard-timeout", "0.5", CREW_LEDGER=str(tmp_path / "ledger"))
    crew = Crew(broker, tmp_path / "ledger", None)
    id_ = crew.begin("in_thread", "t")
    crew.begin("echo", 1)  # last_started is not the one whose limit comes first
    assert broker.reply(id_).value[0] == "t"
    assert "t ended, cancelled True" in crew.notes()
    assert crew.ok("echo", 2) == 2


def test_what_is_printed_names_the_request_that_printed_it(crew, tmp_path):
    gate = tmp_path / "gate"
    first = crew.begin("say", "first", str(gate))
    second = crew.begin("say", "second", str(gate))
    third = crew.begin("say_in_thread", "third")
    fourth = crew.begin("say_plainly", "fourth")
    crew.broker.reply(fourth)
    gate.touch()
    for id_, text in ((first, "first"), (second, "second"), (third, "third"), (fourth, "fourth")):
        crew.broker.reply(id_)
        crew.pool.read_until(f"request {id_}] {text}")


def test_a_child_that_a_handler_forks_may_print(crew):
    crew.ok("fork_and_say", "from the child")
    crew.pool.read_until("] from the child")


# --- batches ------------------------------------------------------------------------------------------


def test_a_batch_takes_what_is_there_and_gives_each_its_own(crew):
    items = [crew.broker.item("crew.double", value) for value in (1, "x", 3, 4)]
    replies = crew.broker.call(crew.worker, *items)
    assert [reply.status for reply in replies] == [0, wire.APP_ERROR, 0, 0]
    assert replies[1].value["message"] == "crew.double raised ValueError: x is odd"
    assert [replies[n].value for n in (0, 2, 3)] == [2, 6, 8]
    assert crew.notes() == ["batch of 4"]


def test_more_than_a_batch_are_several_batches_at_once(crew):
    items = [crew.broker.item("crew.double", n) for n in range(12)]
    assert [reply.value for reply in crew.broker.call(crew.worker, *items)] == list(range(0, 24, 2))
    assert crew.notes() == ["batch of 4"] * 3
    items = [crew.broker.item("crew.lengths", "x" * n) for n in range(9)]
    assert [reply.value for reply in crew.broker.call(crew.worker, *items)] == list(range(9))


def test_a_batch_that_fails_as_a_whole_fails_for_all(crew):
    replies = crew.broker.call(
        crew.worker, *[crew.broker.item("crew.double", v) for v in (1, 2, 3, "all")]
    )
    assert {reply.value["message"] for reply in replies} == {
        "crew.double raised RuntimeError: all of them"
    }
    assert "in double" in replies[0].value["traceback"].splitlines()[1]
    replies = crew.broker.call(
        crew.worker, *[crew.broker.item("crew.double", v) for v in (1, 2, 3, "short")]
    )
    assert {reply.status for reply in replies} == {wire.APP_ERROR}
    assert (
        "one result for each of its 4 arguments, but it returned 1" in replies[0].value["message"]
    )


def test_the_delay_never_uses_up_a_deadline(crew):
    began = time.monotonic()
    assert crew.ok("double", 4, timeout_us=400_000) == 8
    assert time.monotonic() - began < 5
    refused = crew.call("double", kwargs={"value": 1}, timeout_us=100_000)
    assert (
        refused.status == wire.BAD_REQUEST
        and "positional arguments only" in refused.value["message"]
    )


def test_batches_may_be_async_or_in_threads_and_take_several_arguments(crew):
    replies = crew.broker.call(
        crew.worker, *[crew.broker.item("crew.pairs", n, 1) for n in range(5)]
    )
    assert [reply.value for reply in replies] == [1, 2, 3, 4, 5]
    replies = crew.broker.call(
        crew.worker, *[crew.broker.item("crew.lengths", "x" * n) for n in range(3)]
    )
    assert [reply.value for reply in replies] == [0, 1, 2]


# --- arrays, large bodies -----------------------------------------------------------------------------


def packed_array(index: int, dtype: str, shape: list[int]) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb([index, dtype, shape]))


def unpacked(value: msgpack.ExtType) -> list[Any]:
    assert value.code == 1
    fields: list[Any] = msgpack.unpackb(value.data)
    return fields


def call_with(crew: Crew, method: str, args: list[Any], buffers: list[bytes]) -> Any:
    item = crew.broker.item(f"crew.{method}", *args, ext={"attachments": len(buffers)})
    [id_] = crew.broker.dispatch(crew.worker, item, attachments=buffers)
    return crew.broker.reply(id_)


def test_arrays_arrive_as_read_only_views(crew):
    values = numpy.arange(6, dtype="<f4").reshape(2, 3)
    reply = call_with(crew, "array_sum", [packed_array(0, "<f4", [2, 3])], [values.tobytes()])
    assert reply.value == [15.0, "<f4", [2, 3], False]
    empty = packed_array(0, "|u1", [0, 3])
    both = call_with(
        crew, "array_sum", [empty, [{"a": packed_array(1, "<i8", [])}]], [b"", bytes(8)]
    )
    assert both.value == [0, "|u1", [0, 3], True]


@pytest.mark.parametrize(
    "array, words",
    [
        (packed_array(1, "<f4", [2]), "attachment 1, but there are 1"),
        (packed_array(0, "<f8", [2]), "does not fit attachment 0 of 8 bytes"),
        (packed_array(0, "<O8", [1]), "no dtype of numbers"),
        (packed_array(0, "<f8", [-1]), "not described by"),
        (msgpack.ExtType(1, b"\xc1"), "not described by"),
    ],
)
def test_an_array_that_cannot_be_is_the_callers_mistake(crew, array, words):
    reply = call_with(crew, "array_sum", [array], [bytes(8)])
    assert reply.status == wire.BAD_REQUEST and words in reply.value["message"]
    assert crew.ok("echo", 1) == 1


def test_arrays_in_results_become_attachments_wherever_they_stand(crew):
    matrix = numpy.arange(6, dtype="<f8").reshape(2, 3)
    reply = crew.call("arrays", "matrix")
    assert unpacked(reply.value) == [0, "<f8", [2, 3]] and reply.attachments == [matrix.tobytes()]
    reply = crew.call("arrays", "turned")
    assert unpacked(reply.value) == [0, "<f8", [3, 2]] and reply.attachments == [matrix.T.tobytes()]
    reply = crew.call("arrays", "nested")
    first, second = reply.value["a"]
    assert unpacked(first)[0] == 0 and unpacked(second) == [1, "|u1", [0]]
    assert reply.attachments == [matrix.tobytes(), b""] and reply.ext == {"attachments": 2}
    assert reply.value["n"] == 0.5 and reply.value["i"] == 7
    assert unpacked(crew.call("arrays", "std").value) == [0, "<i4", [2]]
    reply = crew.call("arrays", "beside")
    assert unpacked(reply.value)[0] == 1 and reply.attachments == [b"first", matrix.tobytes()]
    reply = crew.call("arrays", "texts")
    assert (
        reply.status == wire.APP_ERROR
        and "arrays of numbers travel, of dtype <U1 not" in reply.value["message"]
    )


def test_large_bodies_and_arrays_go_both_ways(crew):
    size = 8 << 20
    data = os.urandom(1 << 20) * 8
    assert crew.ok("large_later", data) == data
    reply = call_with(crew, "array_sum", [packed_array(0, "|u1", [size])], [data])
    assert reply.value[1:] == ["|u1", [size], False]
    assert len(crew.call("large", size).attachments[0]) == size


# --- ends ---------------------------------------------------------------------------------------------


def test_on_sigterm_what_runs_may_finish(crew):
    ids = [crew.begin("wait", "w"), crew.begin("in_thread", "t"), crew.begin("double", 1)]
    stream = crew.stream("count", 5, window=2)
    crew.broker.values(stream, 2)
    crew.pool.signal(signal.SIGTERM)
    crew.broker.wait(lambda: crew.worker.drains, "DRAIN")
    crew.broker.pump(0.05)
    assert crew.broker.reply(ids[2]).value == 2  # nobody will join its batch
    assert not any(id_ in crew.broker.replies for id_ in ids[:2])
    crew.broker.widen(crew.worker, stream, 10)
    assert crew.broker.reply(stream).status == wire.OK
    crew.begin("open_gate")
    assert [crew.broker.reply(id_).value for id_ in ids[:2]] == ["w", ["t", False, []]]
    assert crew.pool.exit_code() == 0


def test_a_new_session_drops_what_was_running(crew):
    ids = [crew.begin("wait", "w"), crew.begin("in_thread", "t"), crew.begin("double", 1)]
    stream = crew.stream("forever", window=2)
    crew.broker.values(stream, 2)
    crew.broker.register_again(crew.worker.identity)
    epoch = crew.worker.epoch
    crew.broker.wait(lambda: crew.broker.worker().epoch != epoch, "a new session")
    crew.worker = crew.broker.worker()
    crew.wait_for_note("forever closed")
    crew.wait_for_note("w ended")
    crew.ok("open_gate")
    assert crew.ok("echo", 1) == 1
    assert not any(id_ in crew.broker.replies for id_ in [*ids, stream])
