"""One pool and several brokers: each has a session of its own, and the loss of one costs the others nothing."""

import os
import signal
from pathlib import Path

import pytest
from fake_broker import FakeBroker, Peer

from samovar import wire


@pytest.fixture
def brokers(endpoint):
    """Two fake brokers."""
    made = [FakeBroker(f"{endpoint}-{name}") for name in "ab"]
    yield made
    for each in made:
        each.close()


def listed(*brokers: FakeBroker) -> str:
    return ",".join(broker.endpoint for broker in brokers)


def workers_of(*brokers: FakeBroker) -> list[Peer]:
    """The worker of each, once all know how many they are."""
    workers = [broker.worker() for broker in brokers]
    for broker, worker in zip(brokers, workers, strict=True):
        broker.wait(lambda worker=worker: worker.brokers == len(brokers), "all brokers")
    return workers


@pytest.fixture
def held(tmp_path):
    """Keeps a worker busy with a call of one broker: `held(broker, worker)` begins it, `held.gate` ends it."""

    class Held:
        gate = tmp_path / "gate"
        begun = tmp_path / "begun"

        def __call__(self, broker: FakeBroker, worker: Peer) -> int:
            item = broker.item("desk.wait_for_file", str(self.gate), str(self.begun))
            [id_] = broker.dispatch(worker, item)
            broker.wait(self.begun.exists, "the handler to run")
            return id_

    return Held()


def test_a_worker_is_ready_at_all_brokers_and_is_the_same_to_them(brokers, start):
    start(connect=listed(*brokers, brokers[0]))
    here, there = workers_of(*brokers)
    assert here.ready["pid"] == there.ready["pid"]
    assert here.ready["uid"] == there.ready["uid"] > 0
    assert here.epoch != there.epoch
    assert [len(broker.ready_workers()) for broker in brokers] == [
        1,
        1,
    ], "one that is named twice counts once"


def test_each_process_has_a_uid_of_its_own(broker, start):
    start("desk:service", "--workers", "3")
    broker.wait(lambda: len(broker.ready_workers()) == 3, "three workers")
    assert len({peer.ready["uid"] for peer in broker.ready_workers()}) == 3
    assert all("brokers" not in peer.ready for peer in broker.ready_workers())


@pytest.mark.parametrize("app", ["desk:service", "crew:service"])
def test_equal_ids_of_two_brokers_are_two_requests(brokers, start, app):
    start(app, connect=listed(*brokers))
    workers = workers_of(*brokers)
    name = app.partition(":")[0]
    ids = [
        broker.dispatch(worker, *[broker.item(f"{name}.echo", f"{tag}{n}") for n in range(20)])
        for broker, worker, tag in zip(brokers, workers, "ab", strict=True)
    ]
    assert ids[0] == ids[1]
    for broker, tag in zip(brokers, "ab", strict=True):
        assert [broker.reply(n + 1).value for n in range(20)] == [f"{tag}{n}" for n in range(20)]


def test_after_a_bundle_of_one_broker_the_other_has_its_turn(brokers, start, held):
    start(connect=listed(*brokers))
    workers = workers_of(*brokers)
    first = held(brokers[0], workers[0])
    ids = [
        [broker.dispatch(worker, broker.item("desk.count"))[0] for _ in range(count)]
        for broker, worker, count in zip(brokers, workers, (10, 3), strict=True)
    ]
    held.gate.touch()
    brokers[0].reply(first)
    many, few = (
        [broker.reply(id_).value["count"] for id_ in each]
        for broker, each in zip(brokers, ids, strict=True)
    )
    assert sorted(many + few) == list(range(1, 14))
    assert few in ([1, 3, 5], [2, 4, 6]), "not behind all ten of the other"


def test_a_broker_that_is_down_at_the_start_delays_nothing(brokers, start):
    brokers[0].unbind()
    pool = start(connect=listed(*brokers))
    worker = brokers[1].worker()
    assert worker.brokers == 1
    pool.read_until("desk ready (1 worker, ")
    assert brokers[1].call(worker, brokers[1].item("desk.echo", 1))[0].value == 1
    pool.read_until(f"no broker answers at {brokers[0].endpoint}")
    brokers[0].bind()
    workers_of(*brokers)
    brokers[0].supervisor()
    assert pool.read_until(f"the broker at {brokers[0].endpoint} is there").count("no broker") == 1


def test_a_broker_that_is_gone_costs_the_other_nothing(brokers, start, held):
    pool = start("desk:service", "--workers", "1", connect=listed(*brokers))
    here, there = workers_of(*brokers)
    held(brokers[0], here)
    brokers[0].dispatch(here, brokers[0].item("desk.count"))
    waiting = brokers[1].dispatch(there, brokers[1].item("desk.count"))[0]
    brokers[0].unbind()
    held.gate.touch()
    assert brokers[1].reply(waiting).value == {"count": 1}
    brokers[1].wait(lambda: there.brokers == 1, "BROKERS of 1")
    brokers[0].bind()
    again, still = workers_of(*brokers)
    brokers[0].supervisor()
    assert still is there and again.epoch != here.epoch
    assert brokers[0].call(again, brokers[0].item("desk.count"))[0].value == {
        "count": 2
    }, "what had waited was dropped"
    assert list(brokers[0].replies) == [3], "no reply of the earlier session"
    assert brokers[1].stale == 0
    log = pool.read_until(f"the broker at {brokers[0].endpoint} is there")
    assert log.count("lost the broker") == 1, "the supervisor's line is enough"


def test_each_broker_hears_of_a_death_what_is_true_for_it(brokers, start, held):
    start(connect=listed(*brokers))
    here, there = workers_of(*brokers)
    brokers[1].call(there, brokers[1].item("desk.echo", 1), brokers[1].item("desk.echo", 2))
    brokers[1].call(there, brokers[1].item("desk.no_such"))
    id_ = held(brokers[0], here)
    brokers[1].dispatch(there, brokers[1].item("desk.echo", 4))
    os.kill(here.ready["pid"], signal.SIGKILL)
    ours, theirs = (broker.obituary() for broker in brokers)
    assert (ours["worker_epoch"], theirs["worker_epoch"]) == (here.epoch, there.epoch)
    assert (ours["last_started"], ours["running"]) == (id_, True)
    assert (theirs["last_started"], theirs["running"]) == (
        3,
        False,
    ), "4 was never begun, here it is another's"
    assert ours["pid"] == theirs["pid"] == here.ready["pid"]
    again = workers_of(*brokers)
    assert all(peer.ready["uid"] != here.ready["uid"] for peer in again)


def test_a_cancel_ends_the_request_of_its_own_broker(brokers, start, tmp_path):
    start("crew:service", connect=listed(*brokers), CREW_LEDGER=str(tmp_path / "ledger"))
    here, there = workers_of(*brokers)
    for broker, worker in ((brokers[0], here), (brokers[1], there)):
        broker.dispatch(worker, broker.item("crew.sleep_long"))
    brokers[1].cancel(there, 1)
    assert brokers[1].reply(1).status == wire.CANCELLED
    assert brokers[0].call(here, brokers[0].item("crew.echo", 5))[0].value == 5
    assert 1 not in brokers[0].replies
    brokers[0].cancel(here, 1)
    assert brokers[0].reply(1).status == wire.CANCELLED


def test_a_stop_drains_all_and_ends_when_each_has_answered_or_is_gone(brokers, start, held):
    pool = start(connect=listed(*brokers))
    here, there = workers_of(*brokers)
    id_ = held(brokers[1], there)
    brokers[0].answer_drain = False
    pool.signal(signal.SIGTERM)
    held.gate.touch()
    assert brokers[1].reply(id_).status == wire.OK
    brokers[0].wait(lambda: here.drains and there.drains, "two DRAINs")
    assert pool.process.poll() is None
    brokers[0].unbind()
    assert pool.exit_code() == 0


def test_any_broker_may_command_and_is_answered(brokers, start):
    start(connect=listed(*brokers))
    workers_of(*brokers)
    here, there = (broker.supervisor() for broker in brokers)
    answer = brokers[1].command(there, 7, "scale", 2)
    assert answer == {"id": 7, "ok": True, "result": {"workers": 2, "before": 1}}
    for broker in brokers:
        broker.wait_for_pool(wanted=2)
        broker.wait(lambda broker=broker: len(broker.ready_workers()) == 2, "two workers")
    assert brokers[0].command(here, 7, "scale", 1)["result"] == {"workers": 1, "before": 2}
    assert brokers[1].command(there, 8, "dance")["ok"] is False
    assert not here.answers and not there.answers


# --- names that stand for several --------------------------------------------------------------------------


@pytest.fixture
def names(tmp_path):
    """The file of apps/stand_in.py."""

    class Names:
        path = tmp_path / "names"

        def are(self, *brokers: FakeBroker) -> None:
            new = Path(f"{self.path}.new")
            new.write_text("\n".join(broker.endpoint for broker in brokers))
            new.rename(self.path)

    return Names()


def test_a_pool_follows_what_a_name_stands_for(brokers, start, names, held):
    one, two = brokers
    names.are(one)
    options = {"connect": "dns+tcp://brokers:7", "module": "stand_in", "NAMES": str(names.path)}
    pool = start("desk:service", "--workers", "2", **options)
    one.wait(lambda: len(one.ready_workers()) == 2, "two workers")
    names.are(one, two)
    two.wait(lambda: len(two.ready_workers()) == 2, "two workers at the second")
    two.supervisor()
    busy = one.ready_workers()[0]
    id_ = held(one, busy)
    names.are(two)
    pool.read_until(f"leaving the broker at {one.endpoint}: it is not listed now")
    one.wait(
        lambda: sum(peer.drains for peer in one.peers.values()) == 1, "the idle worker's DRAIN"
    )
    held.gate.touch()
    assert one.reply(id_).status == wire.OK, "what it holds is answered before it leaves"
    one.wait(lambda: busy.drains, "the other's")
    for worker in two.ready_workers():
        two.wait(lambda worker=worker: worker.brokers == 1, "BROKERS of 1")
        assert two.call(worker, two.item("desk.echo", 1))[0].value == 1
    names.are(one, two)
    one.peers.clear()
    one.wait(lambda: len(one.ready_workers()) == 2, "both again, without a restart")
    assert {peer.ready["pid"] for peer in one.ready_workers()} == {
        peer.ready["pid"] for peer in two.ready_workers()
    }


def test_a_name_that_nobody_knows_yet_is_waited_for(brokers, start, names):
    names.are()
    options = {"connect": "dns+tcp://brokers:7", "module": "stand_in", "NAMES": str(names.path)}
    pool = start("desk:service", **options)
    pool.read_until("cannot look up dns+tcp://brokers:7: brokers is unknown")
    names.are(brokers[1])
    worker = brokers[1].worker()
    assert brokers[1].call(worker, brokers[1].item("desk.echo", 1))[0].value == 1


def test_a_worker_that_starts_later_serves_the_present_list(brokers, start, names):
    one, two = brokers
    names.are(one)
    options = {"connect": "dns+tcp://brokers:7", "module": "stand_in", "NAMES": str(names.path)}
    start("desk:service", "--spares", "1", **options)
    worker = one.worker()
    names.are(two)
    two.worker()
    os.kill(worker.ready["pid"], signal.SIGKILL)
    assert two.worker(not_pid=worker.ready["pid"]).ready["pid"] != worker.ready["pid"]
    names.are()
