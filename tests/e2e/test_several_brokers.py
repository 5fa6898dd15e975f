"""One pool that serves several samovards at once: none of them costs the others anything when it goes."""

import os
import signal
import sys
from pathlib import Path

from e2e.processes import APPS, ROOT, SAMOVARD, Broker, Program, Scene, wait_until
from e2e.raw import Client

STAND_IN = (
    ROOT / "python_worker/tests/apps/stand_in.py"
)  # samovar-worker with a resolver of the tests


def brokers_of(scene: Scene, count: int) -> list[Broker]:
    return [start(scene, number) for number in range(count)]


def start(scene: Scene, number: int) -> Broker:
    """The samovard of this number; again, after it was killed."""
    return scene.broker(endpoints=(scene.ipc(f"front-{number}"), scene.ipc(f"back-{number}")))


def listed(*brokers: Broker) -> str:
    return ",".join(broker.backend for broker in brokers)


def pool_of(scene: Scene, brokers: list[Broker], workers: int = 1) -> Program:
    pool = scene.pool(listed(*brokers), "kitchen:service", workers)
    for broker in brokers:
        broker.wait_for_workers("kitchen", workers)
    return pool


def pids(broker: Broker, count: int) -> set[int]:
    return {worker["pid"] for worker in broker.wait_for_workers("kitchen", count)}


def test_one_pool_serves_three_brokers(scene: Scene) -> None:
    brokers = brokers_of(scene, 3)
    pool_of(scene, brokers, 2)
    assert pids(brokers[0], 2) == pids(brokers[1], 2) == pids(brokers[2], 2)
    clients = [broker.client() for broker in brokers]
    ids = [client.begin_many("kitchen.echo", 2000, n) for n, client in enumerate(clients)]
    for number, client in enumerate(clients):
        outcomes = client.finish_all(ids[number])
        assert {(each.word, each.value) for each in outcomes} == {("ok", number)}
    for broker in brokers:
        counters = broker.status()["counters"]
        names = ("late_replies", "stale_epochs", "protocol_errors", "workers_lost")
        assert [counters[name] for name in names] == [0, 0, 0, 0]


class Load:
    """A client that has some calls under way all the time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ids = client.begin_many("kitchen.nap", 20, 0.001)
        self._seen = 0

    def turn(self) -> None:
        client = self._client
        client.pump(0.005)
        if len(client.outstanding) < 10:
            self._ids += client.begin_many("kitchen.nap", 10, 0.001)

    def until(self, condition: object, what: str) -> None:
        assert callable(condition)

        def turn_and_look() -> bool:
            self.turn()
            return bool(condition())

        wait_until(turn_and_look, what)

    def words(self) -> set[str]:
        return {outcome.word for outcome in self._client.finish_all(self._ids)}


def test_kill_9_of_a_broker_under_load_costs_the_callers_of_the_other_nothing(scene: Scene) -> None:
    dead, alive = brokers_of(scene, 2)
    pool_of(scene, [dead, alive], 2)
    load = Load(alive.client())
    doomed = dead.client(watched=True)
    doomed.begin_many("kitchen.nap", 1000, 0.001)
    doomed.pump(20)
    dead.kill()
    dead.forget()
    done = alive.results("kitchen.nap")
    load.until(lambda: alive.results("kitchen.nap") > done + 200, "the other's calls go on")
    again = start(scene, 0)
    load.until(lambda: len(again.ready_workers("kitchen")) == 2, "it is registered with again")
    assert pids(again, 2) == pids(alive, 2)
    assert {each.word for each in again.client().finish_all([])} == set()
    assert again.client().ok("kitchen.add", 1) == 2
    assert load.words() == {"ok"}
    counters = alive.status()["counters"]
    assert (counters["workers_lost"], counters["retried"], counters["protocol_errors"]) == (0, 0, 0)


def test_of_a_worker_that_dies_the_broker_whose_call_ran_says_worker_lost(scene: Scene) -> None:
    brokers = brokers_of(scene, 2)
    pool = pool_of(scene, brokers)
    here, there = (broker.client() for broker in brokers)
    running = here.begin("kitchen.hold", "held", str(scene.path("gate")))
    scene.wait_for_note("held")
    behind = there.begin("kitchen.record", "behind")
    wait_until(
        lambda: brokers[1].service("kitchen")["in_flight"] == 1, "the other's waits at the worker"
    )
    [pid] = pids(brokers[0], 1)
    os.kill(pid, signal.SIGKILL)
    lost = here.finish(running)
    assert lost.word == "worker_lost" and "while it ran this request" in lost.message
    assert there.finish(behind).word == "ok", "it had not begun: another worker runs it"
    assert scene.notes() == ["held", "behind"]
    assert brokers[1].counter("requeued") == 1 and brokers[0].counter("requeued") == 0
    deaths = there.ok("samovar.crashes", "kitchen")
    assert [death["running"] for death in deaths] == [[]]
    assert pool.is_running()


def test_each_broker_may_hold_one_request_at_a_busy_worker(scene: Scene) -> None:
    """The worst case of credit: a worker that runs one request has one more of every other broker."""
    brokers = brokers_of(scene, 3)
    pool_of(scene, brokers)
    clients = [broker.client() for broker in brokers]
    gates = [scene.path(f"gate-{number}") for number in range(3)]
    ids = [
        client.begin("kitchen.hold", f"{number}", str(gate))
        for number, (client, gate) in enumerate(zip(clients, gates, strict=True))
    ]
    for broker in brokers:
        wait_until(
            lambda broker=broker: broker.service("kitchen")["in_flight"] == 1, "it is at the worker"
        )
    wait_until(lambda: len(scene.notes()) == 1, "one runs")
    for gate in gates:
        gate.touch()
    for client, id_ in zip(clients, ids, strict=True):
        assert client.finish(id_).word == "ok"
    assert sorted(scene.notes()) == ["0", "1", "2"]


def test_a_pool_that_stops_answers_what_it_holds_of_each(scene: Scene) -> None:
    brokers = brokers_of(scene, 2)
    pool = pool_of(scene, brokers, 2)
    gate = scene.path("gate")
    clients = [broker.client() for broker in brokers]
    ids = [client.begin("kitchen.hold", str(n), str(gate)) for n, client in enumerate(clients)]
    wait_until(lambda: len(scene.notes()) >= 1, "one runs")
    pool.signal(signal.SIGTERM)
    pool.wait_for_line(r"stopping \(SIGTERM\)")
    gate.touch()
    for client, id_ in zip(clients, ids, strict=True):
        assert client.finish(id_).word == "ok"
    assert pool.exit_code() == 0


def test_samovar_scale_at_any_broker_counts_for_the_pool(scene: Scene) -> None:
    brokers = brokers_of(scene, 2)
    pool_of(scene, brokers)
    for broker, count in ((brokers[1], 3), (brokers[0], 2)):
        done = scene.samovar(broker, "scale", "kitchen", count)
        assert done.returncode == 0, done.stderr
        for each in brokers:
            each.wait_for_workers("kitchen", count)


def test_a_pool_follows_a_name_over_three_brokers(scene: Scene) -> None:
    brokers = brokers_of(scene, 3)
    names = scene.path("names")
    scene.env["NAMES"] = str(names)

    def are(*present: Broker) -> None:
        new = Path(f"{names}.new")
        new.write_text("\n".join(broker.backend for broker in present))
        new.rename(names)

    are(brokers[0], brokers[1])
    options = ["kitchen:service", "--connect", "dns+tcp://brokers:7712", "--workers", 2]
    pool = scene.run(sys.executable, STAND_IN, *options, cwd=APPS, name="samovar-worker")
    for broker in brokers[:2]:
        broker.wait_for_workers("kitchen", 2)
    load = Load(brokers[1].client())
    are(brokers[1], brokers[2])
    load.until(lambda: len(brokers[2].ready_workers("kitchen")) == 2, "the third")
    load.until(lambda: not brokers[0].status()["broker"]["supervisors"], "the supervisor leaves")
    load.until(lambda: not brokers[0].service("kitchen").get("workers"), "so do the workers")
    assert load.words() == {"ok"}
    assert brokers[0].counter("workers_lost") == 0, "they drained"
    assert pids(brokers[1], 2) == pids(brokers[2], 2)
    assert brokers[2].client().ok("kitchen.add", 1) == 2
    assert pool.is_running()


# --- [[service]] brokers = ... -----------------------------------------------------------------------------


def block(brokers: str) -> str:
    return f'[[service]]\nname = "kitchen"\napp = "kitchen:service"\ndirectory = "{APPS}"\nbrokers = "{brokers}"\n'


def test_the_pool_of_a_service_block_serves_further_brokers_and_survives_its_own(
    scene: Scene,
) -> None:
    other = start(scene, 1)
    ends = (scene.ipc("front-0"), scene.ipc("back-0"))
    own = scene.broker(endpoints=ends, config=block(other.backend))
    own.wait_for_workers("kitchen", 1)
    [pid] = pids(other, 1)
    load = Load(other.client())
    own.kill()
    own.forget()
    again = scene.broker(endpoints=ends, config=block(other.backend))
    load.until(lambda: len(again.ready_workers("kitchen")) == 1, "its pool is adopted")
    assert again.lines("supervisor of an earlier samovard adopted")
    assert pids(again, 1) == {pid}
    assert load.words() == {"ok"}


def test_a_list_that_is_wrong_ends_samovard_with_a_sentence(scene: Scene) -> None:
    many = ",".join(f"tcp://h:{port}" for port in range(1, 17))
    for brokers, why in (
        ("ipc:///a,tcp://h", "'tcp://h' is no endpoint"),
        (many, "can name at most 15: the first of 16 is this samovard"),
    ):
        config = scene.config(block(brokers))
        ends = ("--frontend", scene.ipc("f"), "--backend", scene.ipc("b"))
        program = scene.run(SAMOVARD, *ends, "--config", config, name="samovard")
        assert program.exit_code() == 2
        [line] = program.log().splitlines()
        assert "service.brokers" in line and why in line
