"""A client's calls with several brokers: who gets which, and what becomes of calls when one of them fails."""

from collections import Counter
from typing import Any

import pytest

from samovar import wire
from samovar.broker import Broker
from samovar.calls import GRACE_S, Calls
from samovar.choice import EJECTED_LONGEST_S, EJECTED_S, PING_S, Budget, Health, better
from samovar.outgoing import Call, Options, new_call
from samovar.wire import unpack

pack = wire.new_packer().pack
UNAVAILABLE, OVERLOADED = 4, 5


class Sent:
    """A request that one broker was sent."""

    def __init__(self, broker: Broker, item: list[Any]) -> None:
        self.broker = broker
        self.id, self.attempt, _, self.timeout_us, self.method = item[:5]


class Desk:
    """Calls with so many brokers, each with a session."""

    def __init__(self, count: int) -> None:
        self.calls = Calls("ipc://a,ipc://b", seed=1)
        self.brokers = [self.calls.brokers.add(f"ipc://{'abc'[i]}") for i in range(count)]
        self.now = 1000.0
        self._epochs = 0
        for broker in self.brokers:
            self.begin(broker)

    def begin(self, broker: Broker) -> None:
        self._epochs += 1
        broker.begin(self._epochs, 1 << 20, same_clock=False)

    def call(self, **options: Any) -> Call:
        call = new_call("ipc://a", "tea.pour", (), {}, Options(**options))
        self.calls.submit(call, self.now)
        return call

    def requests(self) -> list[Sent]:
        """All that is to be sent, pings included; other messages are dropped."""
        found = []
        while (message := self.calls.next_message(self.now)) is not None:
            frame = unpack(message.frames[0])
            self.calls.sent(message)
            if frame[1] == wire.REQUEST:
                items = range(4, len(frame), 8)
                found += [Sent(message.broker, frame[start : start + 8]) for start in items]
        return found

    def request(self) -> Sent:
        [sent] = self.requests()
        return sent

    def reply(self, sent: Sent, status: int = 0, broker: Broker | None = None) -> None:
        broker = broker or sent.broker
        value = {"message": "no"} if status else None
        frame = pack([1, wire.REPLY, broker.epoch, sent.id, sent.attempt, status, 5, value, None])
        self.calls.message(broker, wire.REPLY, frame, [], self.now)

    def drain(self, broker: Broker) -> None:
        frame = wire.encode_control(wire.DRAIN, broker.epoch, {})
        self.calls.message(broker, wire.DRAIN, frame, [], self.now)

    def lose(self, broker: Broker) -> None:
        self.calls.lost(broker, self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.calls.tick(self.now, lambda: "no broker answers")

    def wait_until_due(self) -> float:
        due = self.calls.next_deadline()
        assert due is not None
        wait = due - self.now
        self.pass_time(wait)
        return wait

    def held_by(self, broker: Broker, **options: Any) -> tuple[Call, Sent]:
        """A call that this broker holds."""
        for each in self.brokers:
            each.full = each is not broker
        call = self.call(**options)
        sent = self.request()
        for each in self.brokers:
            each.full = False
        assert sent.broker is broker
        return call, sent

    def all_go_to(self, broker: Broker) -> None:
        for _ in range(20):
            self.call(timeout=100)
            sent = self.request()
            assert sent.broker is broker
            self.reply(sent)


def code(call: Call) -> str:
    return call.error.code if call.error else "ok" if call.done else "under way"


def test_calls_one_after_the_other_go_to_all_brokers_alike() -> None:
    desk = Desk(3)
    count: Counter[Broker] = Counter()
    for _ in range(600):
        desk.call()
        sent = desk.request()
        count[sent.broker] += 1
        desk.reply(sent)
    assert all(count[broker] > 160 for broker in desk.brokers)


def test_many_calls_at_once_are_shared_out_and_a_broker_that_holds_more_gets_less() -> None:
    desk = Desk(3)
    for _ in range(300):
        desk.call()
    desk.requests()
    assert all(broker.load > 50 for broker in desk.brokers)

    desk = Desk(2)
    for _ in range(40):
        desk.call()
    idle = desk.brokers[0]
    for sent in desk.requests():
        if sent.broker is idle:
            desk.reply(sent)
    for _ in range(10):
        desk.call()
        assert desk.request().broker is idle


def test_a_broker_whose_replies_take_twice_as_long_counts_so_many_times_more() -> None:
    class Candidate:
        def __init__(self, load: int, latency: float) -> None:
            self.load = load
            self.health = Health()
            self.health.took(latency, 0)

    def is_better(load: int, latency: float, other_load: int, other_latency: float) -> bool:
        return better(Candidate(load, latency), Candidate(other_load, other_latency), 0)

    assert is_better(0, 100, 1, 100)
    assert not is_better(1, 100, 1, 100)
    assert not is_better(1, 60, 1, 100), "that is chance"
    assert is_better(1, 40, 1, 100)
    assert is_better(3, 100, 1, 1000)
    assert not is_better(30, 100, 1, 1000)
    assert is_better(0, 100, 1, 0), "nothing is known of the other"


def test_an_old_latency_counts_less_and_less() -> None:
    health = Health()
    assert health.latency(1000) == 0
    health.took(1, 1000)
    assert (health.latency(1000), health.latency(1002)) == (1, 0.25)


def test_when_a_broker_is_lost_what_may_run_twice_goes_to_another_and_the_rest_names_it() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    twice, sent = desk.held_by(left, idempotent=True)
    once, _ = desk.held_by(left)
    desk.lose(left)
    assert code(once) == "broker_lost"
    assert once.error is not None and once.error.endpoint == "ipc://a"
    again = desk.request()
    assert (again.broker, again.id, again.attempt) == (right, sent.id, 2)
    desk.reply(again)
    assert twice.result().endpoint == "ipc://b"


def test_a_reply_counts_only_from_the_broker_that_was_asked() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    call, sent = desk.held_by(left)
    desk.reply(sent, broker=right)
    assert not call.done and desk.calls.late == 1
    desk.reply(sent)
    assert code(call) == "ok"


@pytest.mark.parametrize("status, word", [(UNAVAILABLE, "unavailable"), (OVERLOADED, "overloaded")])
def test_what_a_broker_refuses_goes_on_to_each_of_the_others_once(status: int, word: str) -> None:
    desk = Desk(3)
    call = desk.call()
    asked = set()
    for attempt in (1, 2, 3):
        assert not call.done
        sent = desk.request()
        assert sent.attempt == attempt
        asked.add(sent.broker)
        desk.reply(sent, status)
    assert len(asked) == 3 and code(call) == word and desk.calls.moved == 2


def test_what_is_overloaded_goes_on_within_the_budget_only() -> None:
    desk = Desk(2)
    for _ in range(20):
        desk.call()
        desk.reply(desk.request(), OVERLOADED)
        for again in desk.requests():
            desk.reply(again)
    # Ten at the start, and a tenth of twenty but for what comes too late.
    assert (desk.calls.moved, desk.calls.over_budget) == (11, 9)


def test_the_budget_saves_up_a_hundred_at_most() -> None:
    budget = Budget()
    for _ in range(10_000):
        budget.earn()
    spent = 0
    while budget.spend():
        spent += 1
    assert spent == Budget.SAVED


def test_a_broker_that_drains_gets_nothing_more_and_what_it_refuses_goes_on() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    call, sent = desk.held_by(left)
    desk.drain(left)
    desk.reply(sent, UNAVAILABLE)
    moved = desk.request()
    assert (moved.broker, moved.id) == (right, call.id)
    desk.all_go_to(right)
    desk.drain(right)
    refused = desk.call()
    assert code(refused) == "unavailable"
    assert "the broker at ipc://a is going away" in str(refused.error)


def test_a_moved_call_that_no_broker_takes_any_more_ran_nowhere() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    call, sent = desk.held_by(left)
    desk.drain(left)
    desk.reply(sent, UNAVAILABLE)
    desk.drain(right)
    assert code(call) == "unavailable"


def test_with_one_broker_gone_and_the_other_draining_calls_wait_for_the_one() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    desk.lose(left)
    desk.drain(right)
    call = desk.call()
    assert desk.requests() == [] and not call.done
    desk.begin(left)
    assert desk.request().broker is left


def test_a_broker_that_refuses_this_client_does_not_end_calls_that_another_may_take() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    desk.lose(left)
    desk.lose(right)
    call = desk.call()
    desk.calls.refused(left, "unauthorized", "who are you")
    assert not call.done
    desk.calls.refused(right, "unauthorized", "who are you")
    assert code(call) == "unauthorized"


class Silent(Desk):
    """A broker that has let the time of two calls pass, and the ping that it gets."""

    def __init__(self) -> None:
        super().__init__(2)
        self.left, self.right = self.brokers
        calls = [self.held_by(self.left, timeout=1)[0] for _ in range(2)]
        self.pass_time(1 + GRACE_S)
        assert [code(call) for call in calls] == ["deadline_exceeded"] * 2
        assert self.requests() == []  # but CANCEL
        self.all_go_to(self.right)
        assert EJECTED_S / 2 <= self.wait_until_due() <= EJECTED_S
        self.ping = self.request()
        assert self.ping.broker is self.left and self.ping.method == "samovar.ping"
        assert (self.ping.id, self.ping.timeout_us) == (0, PING_S * 1e6)
        self.all_go_to(self.right)


def test_a_broker_that_said_nothing_gets_calls_again_when_it_has_answered_a_ping() -> None:
    desk = Silent()
    desk.reply(desk.ping)
    assert desk.calls.late == 0
    used = set()
    for _ in range(20):
        desk.call()
        used.add(desk.request().broker)
    assert len(used) == 2


def test_a_broker_that_does_not_answer_its_ping_is_left_alone_for_twice_as_long() -> None:
    desk = Silent()
    assert desk.wait_until_due() == pytest.approx(PING_S)
    assert EJECTED_S <= desk.wait_until_due() <= 2 * EJECTED_S
    waits = []
    for _ in range(60):
        desk.requests()
        waits.append(desk.wait_until_due())
    assert EJECTED_LONGEST_S / 2 <= max(waits) <= EJECTED_LONGEST_S
    desk.all_go_to(desk.right)


def test_a_broker_that_failed_gets_calls_if_it_is_the_only_one_left() -> None:
    desk = Silent()
    desk.lose(desk.right)
    desk.all_go_to(desk.left)


def test_a_broker_whose_connection_broke_is_pinged_and_one_that_had_drained_is_not() -> None:
    desk = Desk(3)
    left, middle, _ = desk.brokers
    desk.drain(middle)
    for broker in (left, middle):
        desk.lose(broker)
        desk.begin(broker)
    assert [broker.is_suspect() for broker in desk.brokers] == [True, False, False]
    desk.pass_time(EJECTED_S)
    assert desk.request().broker is left


def test_a_client_of_one_broker_pings_nobody() -> None:
    desk = Desk(1)
    desk.call(timeout=0.01)
    desk.requests()
    desk.pass_time(1)
    desk.lose(desk.brokers[0])
    desk.begin(desk.brokers[0])
    assert not desk.brokers[0].is_suspect()


def test_a_broker_that_is_retired_ends_what_it_has_and_takes_nothing_more() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    call, sent = desk.held_by(left)
    left.retiring = True
    assert not left.is_over()
    desk.all_go_to(right)
    desk.reply(sent)
    assert code(call) == "ok" and left.is_over()
    cancelled, _ = desk.held_by(right)
    right.retiring = True
    desk.calls.cancel(cancelled)
    assert not right.is_over(), "it is to be told"
    desk.requests()
    assert right.is_over()


def test_a_broker_that_takes_no_messages_now_is_passed_over() -> None:
    desk = Desk(2)
    left, right = desk.brokers
    left.full = True
    desk.all_go_to(right)
    right.full = True
    call = desk.call()
    assert desk.requests() == []
    left.full = False
    assert desk.request().id == call.id
