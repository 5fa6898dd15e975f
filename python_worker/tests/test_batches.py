"""Collecting calls, and contexts, without a worker."""

import time
from typing import Any
from unittest.mock import Mock

import pytest

from samovar import Context, Service
from samovar.batches import Collector, argument_of, outcomes_of
from samovar.call import Call
from samovar.method import Batch, Method

MS = 1_000_000
FAR = 10**12


def call(*args: Any, deadline_ns: int = FAR, **kwargs: Any) -> Call:
    return Call(
        Mock(), 1, 1, 0, deadline_ns, "s.m", Method("m", print), list(args), kwargs, None, []
    )


def test_a_batch_waits_for_its_delay_unless_it_is_full_or_nobody_comes():
    collector = Collector(Batch(max_size=3, max_delay=0.002))
    assert not collector.ready(0, False) and collector.seconds_to_wait(0) is None
    first = call(1)
    collector.add(first, 0)
    assert not collector.ready(MS, True)
    assert collector.ready(MS, False)
    assert collector.ready(2 * MS, True)
    assert collector.seconds_to_wait(MS) == 0.001
    collector.add(call(2), MS)  # the first one's delay counts
    assert collector.seconds_to_wait(MS) == 0.001
    collector.add(call(3), MS)
    assert collector.ready(MS, True)
    collector.add(call(4), MS)
    assert collector.take()[0] is first and len(collector.calls) == 1
    assert not collector.remove(first)


def test_a_delay_leaves_half_of_what_a_deadline_leaves_beyond_a_run():
    collector = Collector(Batch(max_size=9, max_delay=1.0))
    collector.add(call(1, deadline_ns=100 * MS), 0)
    assert collector.seconds_to_wait(0) == 0.05
    collector.take()
    collector.ran(40 * MS)
    collector.add(call(1, deadline_ns=100 * MS), 0)
    assert collector.seconds_to_wait(0) == 0.03
    collector.add(call(1, deadline_ns=30 * MS), 0)  # too late already: at once
    assert collector.ready(0, True)


def test_a_member_may_be_taken_out():
    collector = Collector(Batch(max_size=9, max_delay=1.0))
    first = call(1)
    collector.add(first, 0)
    assert collector.remove(first) and not collector.ready(FAR, False)


def test_what_stands_for_a_call_in_the_list():
    assert argument_of(call(1)) == 1
    assert argument_of(call(1, 2)) == (1, 2)
    for wrong in (call(), call(1, a=1)):
        with pytest.raises(ValueError, match="batches"):
            argument_of(wrong)


def test_results_must_be_as_many_as_arguments():
    assert outcomes_of((1, 2), 2) == [1, 2]
    with pytest.raises(ValueError, match="but it returned 1"):
        outcomes_of([1], 2)
    with pytest.raises(TypeError, match="but it returned NoneType"):
        outcomes_of(None, 2)


def test_a_context_is_cancelled_by_deadline_board_or_worker(caplog):
    board = [0] * 5
    service = Service("s")
    service.state = {"a": 1}

    def context(seconds: float) -> Context:
        return Context(7, 2, "s.m", time.monotonic() + seconds, {"caller": 5}, board, service)

    assert context(-1).cancelled and context(-1).time_left() == 0
    ctx = context(60)
    assert not ctx.cancelled and 59 < ctx.time_left() <= 60
    assert ctx.caller is None and ctx.traceparent is None and ctx.state == {"a": 1}
    board[4] = 8
    assert not ctx.cancelled
    board[4] = 7
    assert ctx.cancelled
    board[4] = 0
    ctx.stop()
    assert ctx.cancelled
    with caplog.at_level("INFO", "samovar"):
        for n in range(5):
            ctx.progress(n, 5, "text")
    assert [record.getMessage() for record in caplog.records] == ["s.m request 7: 0 of 5, text"]
