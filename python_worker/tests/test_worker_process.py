"""A worker as a real process, against a fake broker: registration, calls, errors, draining."""

import datetime
import os
import re
import signal
import time

import msgpack
import pytest
from fake_broker import FakeBroker

from samovar import wire


@pytest.fixture
def pool(start):
    return start()


def test_a_worker_registers_with_everything_the_broker_must_know(broker, pool):
    worker = broker.worker()
    supervisor = broker.supervisor()
    assert worker.hello["role"] == "worker"
    assert worker.hello["clock"] == broker.clock
    assert worker.ready["service"] == "desk"
    assert worker.ready["methods"]["echo"] == {"idempotent": True}
    assert worker.ready["methods"]["add"] == {}
    assert worker.ready["credit"] == 256
    assert worker.ready["pid"] == worker.hello["pid"]
    assert worker.ready["name"] == "desk/worker-1"
    assert worker.ready["supervisor"] == supervisor.hello["token"]
    broker.wait_for_pool(service="desk", state="serving", wanted=1, alive=1, restarts=0)
    pool.read_until(f"samovar-worker: desk ready (1 worker, {broker.endpoint})")


def test_a_bundle_is_answered_in_order_and_in_one_message(broker, pool):
    worker = broker.worker()
    for _ in range(20):  # a pause of the machine of 200 us makes two of one
        replies = broker.call(worker, *[broker.item("desk.add", n, 2) for n in range(20)])
        assert [reply.value for reply in replies] == [n + 2 for n in range(20)]
        assert {reply.status for reply in replies} == {wire.OK}
        if len({reply.message for reply in replies}) == 1:
            return
    raise AssertionError("20 bundles were all answered in several messages")


def test_values_of_all_kinds_come_back_as_they_went(broker, pool):
    worker = broker.worker()
    moment = datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=datetime.timezone.utc)
    values = [
        None,
        True,
        2**64 - 1,
        -(2**63),
        1.5,
        "Größe 茶",
        b"\xff\0",
        [1, [2]],
        {"a": {1: 2}},
        moment,
    ]
    replies = broker.call(worker, *[broker.item("desk.echo", value) for value in values])
    assert [reply.value for reply in replies] == values
    [reply] = broker.call(worker, broker.item("desk.echo", 1, kwargs={"key": "value"}))
    assert reply.value == [[1], {"key": "value"}]


def test_an_exception_is_an_app_error_with_type_message_and_traceback(broker, pool):
    [reply] = broker.call(broker.worker(), broker.item("desk.fail", "no such street"))
    assert reply.status == wire.APP_ERROR
    assert reply.value["message"] == "desk.fail raised ValueError: no such street"
    assert reply.value["type"] == "ValueError"
    lines = reply.value["traceback"].splitlines()
    assert "desk.py" in lines[1] and "in fail" in lines[1]  # starts at the handler


def test_tracebacks_can_be_hidden(broker, start):
    start("desk:service", "--hide-tracebacks")
    [reply] = broker.call(broker.worker(), broker.item("desk.fail", "x"))
    assert reply.value["type"] == "ValueError"
    assert "traceback" not in reply.value


def test_exceptions_that_end_programs_end_only_the_call(broker, pool):
    worker = broker.worker()
    replies = broker.call(
        worker,
        broker.item("desk.leave", "exit"),
        broker.item("desk.leave", "interrupt"),
        broker.item("desk.pid"),
    )
    assert [reply.status for reply in replies] == [
        wire.APP_ERROR,
        wire.APP_ERROR,
        wire.OK,
    ]
    assert replies[0].value["type"] == "SystemExit"
    assert replies[2].value == worker.ready["pid"]


def test_wrong_calls_are_bad_requests_and_their_neighbours_run(broker, pool):
    replies = broker.call(
        broker.worker(),
        broker.item("desk.add", 1),
        broker.item("desk.ad", 1),
        broker.item("desk.add", 1, 2, 3),
        broker.item("desk.add", 1, kwargs={"wrong": 2}),
        broker.item("desk.type_error_inside", "x"),
        broker.item("desk.add", 2),
    )
    assert [reply.status for reply in replies] == [0, 2, 2, 2, 1, 0]
    assert "has no method 'ad'; it has: add, " in replies[1].value["message"]
    assert "desk.add: too many positional arguments" in replies[2].value["message"]
    assert "unexpected keyword argument 'wrong'" in replies[3].value["message"]
    assert "(left: int, right: int = 1)" in replies[3].value["message"]
    assert replies[4].value["type"] == "TypeError"


def test_an_item_that_does_not_decode_is_refused_alone(broker, pool):
    worker = broker.worker()
    good, bad, unhashable, last = (broker.item("desk.echo", "x") for _ in range(4))
    packed = b"".join(msgpack.packb(element) for element in [*good, *bad, *unhashable, *last])
    parts = packed.split(b"\x91\xa1x")
    assert len(parts) == 5
    body = b"\x91\xa1x".join(parts[:2]) + b"\x91\xa1\xff" + parts[2] + b"\x91\x81\x81\x01\x02\x03"
    body += parts[3] + b"\x91\xa1x" + parts[4]
    head = msgpack.Packer().pack_array_header(4 + 32)
    head += b"".join(msgpack.packb(n) for n in (1, wire.REQUEST, worker.epoch, 0))
    broker.send_raw(worker.identity, head + body)
    ids = [good[0], bad[0], unhashable[0], last[0]]
    broker.wait(lambda: all(id_ in broker.replies for id_ in ids), "four replies")
    assert [broker.replies[id_].status for id_ in ids] == [0, 2, 2, 0]
    assert "args cannot be decoded" in broker.replies[bad[0]].value["message"]


def test_a_result_that_cannot_be_encoded_names_its_type_and_spoils_no_neighbour(broker, pool):
    replies = broker.call(
        broker.worker(),
        broker.item("desk.add", 1),
        broker.item("desk.unsendable"),
        broker.item("desk.naive"),
        broker.item("desk.add", 2),
    )
    assert [reply.status for reply in replies] == [0, 1, 1, 0]
    assert replies[1].value["message"] == (
        "the result of desk.unsendable holds a set at result['x'], which msgpack cannot encode; "
        "return a list"
    )
    assert "a datetime without a time zone" in replies[2].value["message"]


def test_a_result_that_changes_later_is_sent_as_it_was(broker, pool):
    replies = broker.call(broker.worker(), *[broker.item("desk.count") for _ in range(5)])
    assert [reply.value["count"] for reply in replies] == [1, 2, 3, 4, 5]


def test_a_result_beyond_the_limit_is_too_large_for_its_item_alone(broker, pool):
    replies = broker.call(
        broker.worker(),
        broker.item("desk.add", 1),
        broker.item("desk.zeros", broker.max_body),
        broker.item("desk.zeros", broker.max_body - 100),
        broker.item("desk.zeros", broker.max_body - 100),
    )
    assert [reply.status for reply in replies] == [0, 9, 0, 0]
    assert str(broker.max_body) in replies[1].value["message"]
    assert len(replies[2].value) == broker.max_body - 100


def test_attachments_come_and_go_beside_the_body(broker, pool):
    worker = broker.worker()
    replies = broker.call(
        worker,
        broker.item("desk.attach", ext={"attachments": 2}),
        broker.item("desk.attach"),
        broker.item("desk.attach", ext={"attachments": 1}),
        attachments=[b"a", b"bb", b"ccc"],
    )
    assert [reply.value for reply in replies] == [[1, 2], [], [3]]
    assert [reply.attachments for reply in replies] == [[b"bb", b"a"], [], [b"ccc"]]


def test_a_slow_item_does_not_hold_back_the_replies_before_it(broker, pool, tmp_path):
    worker = broker.worker()
    gate = tmp_path / "gate"
    items = [
        broker.item("desk.nap", 0.001),
        broker.item("desk.wait_for_file", str(gate)),
        broker.item("desk.add", 1),
    ]
    ids = broker.dispatch(worker, *items)
    broker.wait(lambda: ids[0] in broker.replies, "the reply of the first item")
    assert ids[1] not in broker.replies
    gate.touch()
    broker.wait(lambda: ids[2] in broker.replies, "the last reply")
    assert broker.replies[ids[0]].run_us >= 1000


def test_requests_whose_deadline_has_passed_are_not_run(broker, pool):
    worker = broker.worker()
    late = time.monotonic_ns() // 1000 - 1_000_000
    replies = broker.call(
        worker,
        broker.item("desk.echo", "late", timeout_us=900_000),
        broker.item("desk.echo", "in time", timeout_us=60_000_000),
        sent_us=late,
    )
    assert replies[0].status == wire.DEADLINE_EXCEEDED
    assert replies[0].value["where"] == "queued"
    assert replies[1].value == "in time"


def test_a_stopped_worker_that_continues_does_not_run_what_has_expired(broker, pool):
    worker = broker.worker()
    os.kill(worker.ready["pid"], signal.SIGSTOP)
    [id_] = broker.dispatch(worker, broker.item("desk.echo", "x", timeout_us=50_000))
    expired_at = time.monotonic() + 0.06
    broker.wait(lambda: time.monotonic() > expired_at, "the deadline to pass")
    os.kill(worker.ready["pid"], signal.SIGCONT)
    broker.wait(lambda: id_ in broker.replies, "the reply")
    assert broker.replies[id_].status == wire.DEADLINE_EXCEEDED


def test_a_broker_with_another_clock_counts_from_receipt(endpoint, start):
    broker = FakeBroker(endpoint, clock="another boot")
    try:
        start()
        [reply] = broker.call(
            broker.worker(),
            broker.item("desk.echo", "x", timeout_us=10_000_000),
            sent_us=1,
        )
        assert reply.status == wire.OK
    finally:
        broker.close()


def test_requests_of_another_session_are_dropped(broker, pool):
    worker = broker.worker()
    stale = broker.item("desk.echo", "stale")
    broker.send(worker.identity, [1, wire.REQUEST, worker.epoch - 1, 0, *stale])
    broker.call(worker, broker.item("desk.echo", "fresh"))
    assert stale[0] not in broker.replies


def test_a_worker_registers_anew_when_it_is_asked_to(broker, pool):
    worker = broker.worker()
    broker.register_again(worker.identity)
    broker.wait(lambda: broker.peers[worker.identity].epoch != worker.epoch, "another HELLO")
    again = broker.worker()
    assert again.identity == worker.identity
    [reply] = broker.call(again, broker.item("desk.echo", "x"))
    assert reply.value == "x"


def test_a_broker_that_always_asks_to_register_again_makes_no_storm(broker, pool):
    worker = broker.worker()
    before, end = broker.hellos, time.monotonic() + 0.5
    while time.monotonic() < end:
        broker.register_again(worker.identity)
        broker.pump(0.005)
    assert broker.hellos - before <= 7


def test_a_worker_registers_anew_with_a_new_broker(broker, pool):
    worker = broker.worker()
    broker.unbind()
    broker.bind()
    again = broker.worker()
    assert again.epoch != worker.epoch
    assert again.hello["pid"] == worker.hello["pid"]
    assert broker.supervisor().hello["token"] == again.ready["supervisor"]
    broker.wait_for_pool(state="serving")
    [reply] = broker.call(again, broker.item("desk.echo", "x"))
    assert reply.value == "x"


def test_a_worker_that_was_busy_while_its_broker_was_replaced_sends_no_stale_reply(
    broker, pool, tmp_path
):
    worker = broker.worker()
    gate = tmp_path / "gate"
    noted = tmp_path / "noted"
    broker.dispatch(worker, broker.item("desk.wait_for_file", str(gate), str(noted)))
    broker.wait(noted.exists, "the handler")
    broker.unbind()
    broker.bind()
    broker.wait_for_connections(2)  # the supervisor's and, while its handler runs, the worker's
    gate.touch()
    again = broker.worker()
    assert again.epoch != worker.epoch
    assert broker.stale == 0


def test_a_malformed_bundle_makes_a_new_session_so_that_its_requests_end(broker, pool):
    worker = broker.worker()
    broker.send(worker.identity, [1, wire.REQUEST, worker.epoch, 0, 1, 2, 3])
    broker.wait(lambda: broker.peers[worker.identity].epoch != worker.epoch, "another HELLO")
    assert broker.call(broker.worker(), broker.item("desk.echo", 1))[0].value == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"text",
        msgpack.packb({}),
        msgpack.packb([1, 11, 0]),
        msgpack.packb([9, 2, 0]),
    ],
)
def test_garbage_does_no_lasting_harm(broker, pool, frame):
    worker = broker.worker()
    broker.send_raw(worker.identity, frame)
    broker.send(worker.identity, [1, wire.PROTOCOL_ERROR, worker.epoch, {"message": "m"}])

    def answered() -> bool:
        now = broker.ready_workers()
        return bool(now) and broker.call(now[-1], broker.item("desk.echo", 1))[0].value == 1

    if frame in (msgpack.packb([1, 11, 0]),):
        assert answered()
        return
    broker.wait(lambda: broker.peers[worker.identity].epoch != worker.epoch, "another HELLO")
    broker.wait(answered, "an answer")


def test_sigterm_drains_and_loses_nothing(broker, pool, tmp_path):
    worker = broker.worker()
    gate = tmp_path / "gate"
    broker.answer_drain = False
    running = broker.dispatch(worker, broker.item("desk.wait_for_file", str(gate)))
    queued = broker.dispatch(worker, *[broker.item("desk.echo", n) for n in range(10)])
    pool.signal(signal.SIGTERM)
    broker.wait_for_pool(state="stopping")
    gate.touch()
    broker.wait(lambda: worker.drains, "DRAIN")
    after = broker.dispatch(worker, *[broker.item("desk.echo", n) for n in range(10)])
    broker.send(worker.identity, [1, wire.DRAINED, worker.epoch, {}])
    assert pool.exit_code() == 0
    broker.wait(lambda: set(running + queued + after) <= set(broker.replies), "all replies")


def test_a_worker_that_calls_keep_busy_hears_its_stop(broker, pool):
    """It polls only after a pause between calls; there is none here."""
    worker = broker.worker()
    pool.signal(signal.SIGTERM)
    while not worker.drains:
        broker.call(worker, broker.item("desk.echo", 1))
    assert pool.exit_code() == 0


def test_a_worker_that_calls_keep_busy_hears_that_its_broker_was_replaced(broker, pool):
    for _ in range(3):
        worker = broker.worker()
        for n in range(50):
            [reply] = broker.call(worker, broker.item("desk.echo", n))
            assert reply.value == n
        broker.unbind()
        broker.bind()


def test_sigterm_without_a_broker_ends_at_once(start):
    pool = start()
    pool.wait_for_processes(lambda found: len(found) == 2, "a worker")
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0


def test_what_a_handler_prints_is_tagged_and_changes_no_reply(broker, pool):
    [reply] = broker.call(broker.worker(), broker.item("desk.noisy"))
    assert reply.value == "quiet"
    text = pool.read_until("UserWarning: from warnings")
    for line in ("from print", "from stderr", "from descriptor 1", "from C"):
        assert re.search(rf"^\[desk/worker-1( request \d+\??)?\] {line}$", text, re.MULTILINE)
    assert text.count("x" * 2000) == 3  # 10,000 bytes, in pieces
    assert all(len(line) <= 4096 for line in text.splitlines())


def test_the_app_is_found_in_the_working_directory_and_sees_no_configuration(broker, pool):
    [reply] = broker.call(broker.worker(), broker.item("desk.import_path"))
    assert reply.value[0] == reply.value[1]
    assert reply.value[2] == "(unset)"


def test_a_forked_child_that_comes_back_does_not_answer(broker, pool):
    worker = broker.worker()
    replies = broker.call(
        worker, broker.item("desk.fork_and_return"), broker.item("desk.echo", "next")
    )
    assert [reply.value for reply in replies] == ["parent", "next"]
    pool.read_until("came back from the handler")
    assert broker.call(worker, broker.item("desk.echo", 1))[0].value == 1


def test_a_forked_child_is_ended_by_sigterm_as_usual(broker, pool):
    [reply] = broker.call(broker.worker(), broker.item("desk.fork_and_terminate"))
    assert os.WTERMSIG(reply.value) == signal.SIGTERM


def test_the_service_can_be_announced_under_another_name(broker, start):
    start("desk:service", "--name", "desk-2", "--credit", "3")
    worker = broker.worker()
    assert worker.ready["service"] == "desk-2"
    assert worker.ready["credit"] == 3
    assert broker.call(worker, broker.item("desk-2.echo", 1))[0].value == 1
