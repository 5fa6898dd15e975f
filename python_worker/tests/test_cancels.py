"""How calls that nobody wants any more end in a worker, of every kind of handler."""

import pytest

from samovar import wire


def test_cancel_ends_an_async_handler_whose_finally_runs(crew):
    id_ = crew.begin("wait", "w")
    other = crew.begin("stubborn")
    crew.wait_for_note("stubborn began")
    crew.broker.cancel(crew.worker, id_, other, 12345)
    assert crew.broker.reply(id_).status == wire.CANCELLED
    assert crew.broker.reply(other).status == wire.CANCELLED
    crew.wait_for_note("w ended")


def test_a_request_that_has_not_begun_is_withdrawn(crew):
    ids = [crew.begin("in_thread", name) for name in ("a", "b", "c")]
    crew.broker.cancel(crew.worker, ids[2])
    reply = crew.broker.reply(ids[2])
    assert reply.status == wire.CANCELLED and reply.value["where"] == "queued"
    crew.ok("open_gate")
    assert [crew.broker.reply(id_).value[0] for id_ in ids[:2]] == ["a", "b"]
    assert not any(note.startswith("c ") for note in crew.notes())


@pytest.mark.parametrize("method", ["count", "count_later"])
def test_cancel_closes_a_stream_that_rests(crew, method):
    id_ = crew.stream(method, 100, window=1)
    crew.broker.values(id_, 1)
    crew.broker.cancel(crew.worker, id_)
    assert crew.broker.reply(id_).status == wire.CANCELLED
    crew.wait_for_note(f"{method} 100 closed")


def test_cancel_closes_a_stream_that_flows(crew):
    id_ = crew.stream("forever", window=1024)
    crew.broker.values(id_, 10)
    crew.broker.cancel(crew.worker, id_)
    crew.broker.widen(crew.worker, id_, 2000)
    assert crew.broker.reply(id_).status == wire.CANCELLED
    crew.wait_for_note("forever closed")


def test_a_plain_function_sees_its_deadline(crew):
    assert crew.ok("until_cancelled", timeout_us=30_000) is True


def test_a_member_can_be_withdrawn_from_a_batch(crew):
    id_ = crew.begin("double", 1)
    crew.broker.cancel(crew.worker, id_)
    assert crew.broker.reply(id_).status == wire.CANCELLED
    assert crew.notes() == []


def test_a_plain_function_that_asks_hears_of_its_cancel(crew):
    id_ = crew.begin("until_cancelled", timeout_us=60_000_000)
    crew.wait_for_note("until_cancelled asks")
    crew.broker.cancel(crew.worker, id_)
    assert crew.broker.reply(id_).status == wire.CANCELLED


def test_what_comes_while_a_plain_function_asks_keeps_its_order(crew):
    asks = crew.begin("until_cancelled", timeout_us=60_000_000)
    crew.wait_for_note("until_cancelled asks")
    first = crew.begin("noted", "first")
    withdrawn = crew.begin("until_cancelled", timeout_us=60_000_000)
    second = crew.begin("noted", "second")
    stream = crew.stream("count", 3, window=1)
    crew.broker.widen(crew.worker, stream, 10)
    crew.broker.cancel(crew.worker, withdrawn, asks)
    assert crew.broker.reply(asks).status == wire.CANCELLED
    assert [crew.broker.reply(id_).value for id_ in (first, second)] == ["first", "second"]
    assert crew.broker.reply(withdrawn).status == wire.CANCELLED
    assert crew.broker.values(stream, 3) == [0, 1, 2]
    assert crew.broker.reply(stream).status == wire.OK
    assert crew.notes()[:3] == ["until_cancelled asks", "first", "second"]


def test_a_message_that_is_none_waits_until_a_plain_function_that_asks_has_ended(crew):
    asks = crew.begin("until_cancelled", timeout_us=60_000_000)
    crew.wait_for_note("until_cancelled asks")
    crew.broker.send_raw(crew.worker.identity, b"\xc1")
    crew.broker.cancel(crew.worker, asks)
    assert crew.broker.reply(asks).status == wire.CANCELLED
    crew.pool.read_until("malformed message")
