"""A client's calls against messages of a broker, with a clock of the test's own."""

import re
from pathlib import Path
from typing import Any

import pytest

from samovar import wire
from samovar.calls import BROKER_WAIT_S, GRACE_S, Calls
from samovar.errors import WORDS, Error
from samovar.outgoing import Call, Options, new_call
from samovar.wire import WireError, unpack

EPOCH = 5_000_000_001
pack = wire.new_packer().pack


class Desk:
    """Calls with a session, and what was sent."""

    def __init__(self, began: bool = True) -> None:
        self.calls = Calls("tcp://broker")
        self.broker = self.calls.brokers.add("tcp://broker")
        self.now = 1000.0
        if began:
            self.begin()

    def begin(self, max_body: int = 1 << 20) -> None:
        self.broker.begin(EPOCH, max_body, same_clock=False)

    def lose(self) -> None:
        self.calls.lost(self.broker, self.now)

    def call(self, method: str = "tea.pour", *args: Any, **options: Any) -> Call:
        is_stream = options.pop("is_stream", False)
        call = new_call("tcp://broker", method, args, {}, Options(**options), is_stream=is_stream)
        self.calls.submit(call, self.now)
        return call

    def send(self) -> list[list[Any]]:
        sent = []
        while (message := self.calls.next_message(self.now)) is not None:
            sent.append(unpack(message.frames[0]))
            self.calls.sent(message)
        return sent

    def reply(self, call: Call, value: Any = None, status: int = 0, **more: Any) -> None:
        epoch, attempt = more.get("epoch", EPOCH), more.get("attempt", call.attempt)
        frame = pack([1, wire.REPLY, epoch, call.id, attempt, status, 7, value, more.get("ext")])
        self.give(wire.REPLY, frame)

    def item(self, call: Call, seq: int, value: Any) -> None:
        frame = pack([1, wire.ITEMS, EPOCH, call.id, call.attempt, seq, value, None])
        self.give(wire.ITEMS, frame)

    def give(self, kind: int, frame: bytes) -> None:
        self.calls.message(self.broker, kind, frame, [], self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.calls.tick(self.now, lambda: "no broker answers")


def code(call: Call) -> str:
    assert call.done and call.error is not None
    assert call.reply is None
    return call.error.code


def test_a_call_is_sent_and_ends_with_its_reply() -> None:
    desk = Desk()
    call = desk.call("tea.pour", "oolong", timeout=2)
    [request] = desk.send()
    assert request[:4] == [1, wire.REQUEST, EPOCH, 0]
    assert request[4:] == [call.id, 1, 0, 2_000_000, "tea.pour", ["oolong"], None, None]
    desk.reply(call, "poured", ext={"queued_us": 5, "worker": "w1"})
    reply = call.result()
    assert (reply.value, reply.running, reply.queued, reply.worker) == (
        "poured",
        7e-6,
        5e-6,
        "w1",
    )
    assert desk.calls.outstanding == 0


def test_calls_that_wait_leave_in_one_message() -> None:
    desk = Desk(began=False)
    calls = [desk.call("tea.pour", number) for number in range(5)]
    assert desk.send() == []
    desk.begin()
    [request] = desk.send()
    assert request[4::8] == [call.id for call in calls]


def test_no_message_has_more_calls_than_it_may() -> None:
    desk = Desk()
    for number in range(2500):
        desk.call("tea.pour", number)
    assert [(len(sent) - 4) // 8 for sent in desk.send()] == [1024, 1024, 452]


def test_a_reply_that_fits_no_call_changes_nothing() -> None:
    desk = Desk()
    call, other = desk.call(), desk.call()
    desk.send()
    desk.reply(call, epoch=EPOCH + 1)
    desk.reply(call, attempt=0 + call.attempt)
    desk.reply(call)
    assert desk.calls.late == 2 and call.done and not other.done
    other.attempt = 2
    desk.reply(other, attempt=1)
    assert not other.done and desk.calls.late == 3


def test_an_error_is_raised_with_all_that_is_known() -> None:
    desk = Desk()
    call = desk.call("tea.pour", idempotent=True)
    desk.send()
    value = {"message": "it died", "where": "running", "pid": 7, "signal": 9, "stderr": "oh\n"}
    desk.reply(call, value, status=7)
    with pytest.raises(Error, match=r"worker_lost: it died \(tea.pour at tcp://broker\)") as raised:
        call.result()
    error = raised.value
    assert (error.code, error.where, error.pid, error.signal) == ("worker_lost", "running", 7, 9)
    assert error.stderr == "oh\n" and error.exit_code is None and error.retryable


@pytest.mark.parametrize(
    "status, idempotent, retryable",
    [(4, False, True), (5, False, True), (7, False, False), (7, True, True), (6, True, False)],
)
def test_what_may_be_tried_again_says_so(status: int, idempotent: bool, retryable: bool) -> None:
    desk = Desk()
    call = desk.call(idempotent=idempotent)
    desk.send()
    desk.reply(call, {"message": "no", "retry_after_us": 1500}, status=status)
    assert call.error is not None and call.error.retryable is retryable
    assert call.error.retry_after == 0.0015


def test_a_status_that_nobody_knows_is_internal() -> None:
    desk = Desk()
    call = desk.call()
    desk.send()
    desk.reply(call, {"message": "new"}, status=77)
    assert code(call) == "internal"


def test_the_broker_says_first_that_a_call_is_late_and_then_the_client() -> None:
    desk = Desk()
    call = desk.call(timeout=1)
    desk.send()
    desk.pass_time(1 + GRACE_S / 2)
    assert not call.done
    desk.pass_time(GRACE_S)
    assert code(call) == "deadline_exceeded"
    assert desk.send() == [[1, wire.CANCEL, EPOCH, call.id]]


def test_without_a_broker_a_call_is_unavailable_at_its_deadline() -> None:
    desk = Desk(began=False)
    short, patient = desk.call(timeout=1), desk.call()
    desk.pass_time(1)
    assert code(short) == "unavailable"
    assert short.error is not None and "no broker answers" in str(short.error)
    desk.pass_time(BROKER_WAIT_S - 1)
    assert code(patient) == "unavailable"
    assert desk.calls.next_deadline() is None


def test_a_call_without_a_timeout_is_the_brokers_once_it_is_sent() -> None:
    desk = Desk()
    call = desk.call()
    [request] = desk.send()
    assert request[7] == 0
    desk.pass_time(100 * BROKER_WAIT_S)
    assert not call.done


def test_when_the_broker_is_lost_only_what_may_be_run_twice_is_sent_again() -> None:
    desk = Desk()
    once, twice, waiting = desk.call(), desk.call(idempotent=True), None
    desk.send()
    desk.lose()
    waiting = desk.call()
    assert code(once) == "broker_lost" and not twice.done
    desk.begin()
    [request] = desk.send()
    assert request[4::8] == [twice.id, waiting.id] and request[5::8] == [2, 1]
    desk.reply(twice, "again")
    assert twice.result().attempt == 2


def test_a_stream_of_which_items_came_is_not_sent_again() -> None:
    desk = Desk()
    call = desk.call(idempotent=True, is_stream=True)
    desk.send()
    desk.item(call, 0, "first")
    desk.lose()
    assert code(call) == "broker_lost" and list(call.items) == ["first"]


def test_a_broker_that_drains_gets_nothing_new() -> None:
    desk = Desk()
    running = desk.call()
    desk.send()
    waiting = desk.call()
    desk.give(wire.DRAIN, wire.encode_control(wire.DRAIN, EPOCH, {}))
    late = desk.call()
    assert code(waiting) == code(late) == "unavailable"
    desk.reply(running, "done")
    assert running.result().value == "done"


def test_a_refused_hello_ends_what_waits_and_what_comes() -> None:
    desk = Desk(began=False)
    call = desk.call()
    frame = pack([1, wire.PROTOCOL_ERROR, 0, {"message": "no", "unauthorized": True}])
    desk.give(wire.PROTOCOL_ERROR, frame)
    assert code(call) == "unauthorized" and code(desk.call()) == "unauthorized"
    desk.begin()
    assert not desk.call().done


def test_cancelled_calls_are_told_to_the_broker_if_it_knows_them() -> None:
    desk = Desk()
    sent = desk.call()
    desk.send()
    waiting = desk.call()
    for call in (sent, waiting, sent):
        desk.calls.cancel(call)
    assert code(sent) == code(waiting) == "cancelled"
    assert desk.send() == [[1, wire.CANCEL, EPOCH, sent.id]]
    desk.reply(sent, "late", attempt=1)
    assert code(sent) == "cancelled" and desk.calls.late == 1


def test_items_come_in_order_and_widen_the_window_when_half_is_taken() -> None:
    desk = Desk()
    call = desk.call(is_stream=True, window=4)
    [request] = desk.send()
    assert request[6] == wire.FLAG_STREAM and request[11] == {"window": 4}
    for seq in range(4):
        desk.item(call, seq, seq)
    assert list(call.items) == [0, 1, 2, 3]
    desk.calls.taken(call, 1)
    assert desk.send() == []
    desk.calls.taken(call, 2)
    assert desk.send() == [[1, wire.WINDOW, EPOCH, call.id, 6]]
    desk.item(call, 5, "one is missing")
    assert code(call) == "protocol_error"
    assert desk.send() == [[1, wire.CANCEL, EPOCH, call.id]]


def test_what_is_too_large_is_not_sent() -> None:
    desk = Desk(began=False)
    desk.begin(max_body=10_000)
    large, small = desk.call("tea.pour", bytes(10_000)), desk.call()
    [request] = desk.send()
    assert code(large) == "too_large" and request[4::8] == [small.id]


def test_the_key_of_affinity_stands_beside_the_arguments() -> None:
    desk = Desk()
    desk.call(affinity="shelf 7")
    assert desk.send()[0][11] == {"affinity": "shelf 7"}


def test_a_drain_that_wants_an_answer_gets_one_behind_what_was_sent() -> None:
    desk = Desk()
    desk.call()
    desk.send()
    desk.give(wire.DRAIN, wire.encode_control(wire.DRAIN, EPOCH, {"answer": True}))
    assert desk.send() == [[1, wire.DRAINED, EPOCH, {}]]
    assert desk.send() == []


@pytest.mark.parametrize("method", ["", "tea", "tea.", ".pour", "tea pour.now", "té.a"])
def test_what_is_no_name_of_a_method_is_a_bad_request(method: str) -> None:
    with pytest.raises(Error, match="bad_request"):
        Desk().call(method)


def test_what_cannot_be_encoded_is_a_type_error_of_the_caller() -> None:
    with pytest.raises(TypeError):
        Desk().call("tea.pour", object())


@pytest.mark.parametrize(
    "message",
    [[1, wire.REPLY, EPOCH], [1, wire.REPLY, EPOCH, 1, 0, 0, 0, None, None], [1, 99, EPOCH, {}]],
)
def test_a_malformed_message_ends_nothing(message: list[Any]) -> None:
    desk = Desk()
    call = desk.call()
    desk.send()
    try:
        desk.give(message[1], pack(message))
    except WireError:
        pass
    assert not call.done


def test_the_words_are_those_of_the_protocol() -> None:
    protocol = (Path(__file__).parents[2] / "proto/PROTOCOL.md").read_text()
    table = re.findall(r"^\| (\d+) \| `(\w+)` \|", protocol, re.MULTILINE)
    assert [(int(number), word) for number, word in table] == list(enumerate(WORDS))
