"""The resident pool: one load for all workers, replaced without a gap, ended when it hangs."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import Broker, Program, Scene, is_running, wait_until
from e2e.raw import Client, words


@pytest.fixture
def brewery(scene: Scene, broker: Broker) -> "Brewery":
    scene.env["BREWERY"] = str(scene.directory)
    return Brewery(scene, broker)


class Brewery:
    """A pool of apps/brewery.py, and the files that tell the app how to behave."""

    def __init__(self, scene: Scene, broker: Broker) -> None:
        self.scene = scene
        self.broker = broker
        self.client = broker.client()

    def say(self, **settings: str) -> None:
        for name, value in settings.items():
            self.scene.path(name).write_text(value)

    def start(self, workers: int, *options: Any, wait: bool = True) -> Program:
        pool = self.scene.pool(self.broker.backend, "brewery:service", workers, *options, wait=wait)
        if wait:  # a pool says that it is ready a moment before its broker has heard of all workers
            wait_until(
                lambda: len(self.pids()) >= workers, "the broker has not heard of all workers"
            )
        return pool

    def pids(self) -> set[int]:
        return {worker["pid"] for worker in self.broker.ready_workers("brewery")}

    def samovar(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        return self.scene.samovar(self.broker, *arguments)

    def count(self, note: str) -> int:
        return self.scene.notes().count(note)

    def wait_for_leaves(self, leaves: str, workers: int) -> None:
        """Waits until only workers with these leaves serve."""

        def renewed() -> bool:
            self.broker.wait_for_workers("brewery", workers)
            calls = [self.client.begin("brewery.leaves") for _ in range(32)]
            return {outcome.value for outcome in self.client.finish_all(calls)} == {leaves}

        wait_until(renewed, f"not all workers had {leaves} leaves")


class Load:
    """Calls that are always under way; none of them may fail."""

    def __init__(self, client: Client, method: str, outstanding: int = 64) -> None:
        self._client = client
        self._method = method
        self._outstanding = outstanding
        self.done = 0

    def keep_up(self) -> None:
        """Takes in what has come, and begins as many again."""
        client = self._client
        while len(client.outstanding) < self._outstanding:
            client.begin(self._method)
        client.pump(0.05)
        self._check()

    def _check(self) -> None:
        outcomes = list(self._client.outcomes.values())
        self._client.outcomes.clear()
        assert words(outcomes) <= {"ok"}, outcomes
        self.done += len(outcomes)

    def finish(self) -> None:
        while self._client.outstanding:
            assert self._client.pump(30)
        self._check()


# --- loading -------------------------------------------------------------------------------------------


def test_one_load_serves_all_workers(brewery: Brewery) -> None:
    pool = brewery.start(4)
    assert len(brewery.pids()) == 4
    assert (brewery.count("load"), brewery.count("warm_up")) == (1, 1)
    assert brewery.count("on_worker_start") == 4
    assert brewery.client.ok("brewery.leaves") == "black"
    assert brewery.client.ok("brewery.parent") == pool.pid
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    assert brewery.count("on_stop") == 4


def test_without_preload_each_worker_loads(brewery: Brewery) -> None:
    brewery.start(2, "--no-preload")
    assert (brewery.count("load"), brewery.count("warm_up")) == (2, 2)
    assert brewery.client.ok("brewery.leaves") == "black"


def test_an_app_that_starts_threads_is_loaded_by_each_worker_loudly(brewery: Brewery) -> None:
    brewery.say(at_import="thread")
    pool = brewery.start(2)
    assert brewery.count("on_worker_start") == 2
    assert "brewer" in pool.lines("EACH WORKER LOADS")[0]
    assert brewery.client.ok("brewery.leaves") == "black"


def test_threads_of_libraries_are_warned_of(brewery: Brewery) -> None:
    brewery.say(at_import="native thread")
    pool = brewery.start(2)
    assert "1 threads" in pool.lines("--allow-native-threads")[0]
    assert brewery.count("load") == 1
    quiet = brewery.start(1, "--allow-native-threads")
    assert not quiet.lines("--allow-native-threads")


@pytest.mark.parametrize("options", [(), ("--no-preload",)], ids=["zygote", "no-preload"])
def test_a_module_that_crashes_the_interpreter_at_import_is_named(
    brewery: Brewery, options: tuple[str, ...]
) -> None:
    brewery.say(at_import="abort")
    pool = brewery.start(1, "--name", "brewery", *options, wait=False)
    assert pool.exit_code() == 1
    assert "SIGABRT" in pool.lines("cannot serve brewery:service")[0]
    outcome = brewery.client.call("brewery.leaves")
    assert outcome.word == "unavailable"
    assert "SIGABRT" in outcome.message


@pytest.mark.parametrize("options", [(), ("--no-preload",)], ids=["zygote", "no-preload"])
def test_a_failed_warm_up_is_no_start(brewery: Brewery, options: tuple[str, ...]) -> None:
    brewery.say(leaves="mouldy")
    pool = brewery.start(2, "--name", "brewery", *options, wait=False)
    assert pool.exit_code() == 1
    assert "mouldy leaves" in pool.lines("cannot serve")[0]
    assert "mouldy leaves" in brewery.client.call("brewery.leaves").message


def test_kill_9_of_the_zygote_costs_no_call(brewery: Brewery) -> None:
    pool = brewery.start(2)
    before = brewery.pids()
    children = Path(f"/proc/{pool.pid}/task/{pool.pid}/children").read_text().split()
    zygote = min({int(pid) for pid in children} - before)  # the other one is its heir
    load = Load(brewery.broker.client(), "brewery.leaves")
    os.kill(zygote, signal.SIGKILL)
    while not brewery.pids().isdisjoint(before):
        load.keep_up()
    load.finish()
    assert brewery.count("load") == 2
    os.kill(brewery.pids().pop(), signal.SIGKILL)
    wait_until(lambda: brewery.count("on_worker_start") == 5, "the dead worker was not replaced")


# --- replacing -----------------------------------------------------------------------------------------


def test_ten_reloads_under_load_fail_no_call(brewery: Brewery) -> None:
    pool = brewery.start(2)
    load = Load(brewery.broker.client(), "brewery.leaves")
    for number in range(10):
        brewery.say(leaves=f"blend {number}")
        pool.signal(signal.SIGHUP)
        while len(pool.lines(f"generation {number + 2} serves")) == 0:
            load.keep_up()
    load.finish()
    assert load.done > 100
    brewery.wait_for_leaves("blend 9", 2)
    assert brewery.count("load") == 11


def test_reload_without_preload(brewery: Brewery) -> None:
    pool = brewery.start(2, "--no-preload")
    brewery.say(leaves="green")
    pool.signal(signal.SIGHUP)
    pool.wait_for_line("generation 2 serves")
    brewery.wait_for_leaves("green", 2)


@pytest.mark.parametrize(
    "settings",
    [{"leaves": "mouldy"}, {"at_import": "abort"}, {"at_start": "fail"}],
    ids=["warm-up", "import", "start"],
)
@pytest.mark.parametrize("options", [(), ("--no-preload",)], ids=["zygote", "no-preload"])
def test_a_reload_that_fails_leaves_the_old_generation_serving(
    brewery: Brewery, settings: dict[str, str], options: tuple[str, ...]
) -> None:
    pool = brewery.start(2, *options)
    before = brewery.pids()
    brewery.say(**settings)
    pool.signal(signal.SIGHUP)
    pool.wait_for_line("generation 2 is given up")
    assert brewery.client.ok("brewery.leaves") == "black"
    assert brewery.pids() == before
    # And the next one may succeed.
    for name in settings:
        brewery.scene.path(name).unlink()
    brewery.say(leaves="green")
    pool.signal(signal.SIGHUP)
    pool.wait_for_line("generation 3 serves")
    brewery.wait_for_leaves("green", 2)


def test_workers_are_recycled_after_so_many_requests_without_a_failed_call(
    brewery: Brewery,
) -> None:
    pool = brewery.start(2, "--max-requests", 200)
    before = brewery.pids()
    load = Load(brewery.broker.client(), "brewery.leaves")
    while not brewery.pids().isdisjoint(before):
        load.keep_up()
    load.finish()
    assert brewery.count("load") == 1
    assert pool.lines("requests")


def test_a_worker_above_its_memory_limit_is_replaced(brewery: Brewery) -> None:
    brewery.start(1, "--max-memory", "150MB")
    pid = brewery.client.ok("brewery.keep", 160)
    wait_until(lambda: brewery.pids() and pid not in brewery.pids(), "it was not replaced")
    wait_until(lambda: not is_running(pid), "it did not end")


def test_a_worker_at_twice_its_memory_limit_is_killed_with_that_reason(brewery: Brewery) -> None:
    brewery.start(1, "--max-memory", "60MB")
    for _ in range(50):
        outcome = brewery.client.call("brewery.keep", 10)
        if outcome.word != "ok":
            break
    # Replaced between two calls, or killed in one: both keep the limit.
    wait_until(lambda: brewery.count("on_worker_start") >= 2, "it was not replaced")
    assert brewery.client.ok("brewery.leaves") == "black"


def test_a_worker_whose_health_check_fails_is_replaced(brewery: Brewery) -> None:
    pool = brewery.start(2, "--health-interval", "0.05")
    pid = brewery.client.ok("brewery.pid")
    brewery.say(ill=str(pid))
    pool.wait_for_line("health_check returned False")
    wait_until(lambda: pid not in brewery.pids(), "it was not replaced")
    assert len(brewery.broker.wait_for_workers("brewery", 2)) == 2


# --- the command line ----------------------------------------------------------------------------------


def test_samovar_reload_waits_until_the_new_generation_serves(brewery: Brewery) -> None:
    brewery.start(2)
    brewery.say(leaves="green")
    ran = brewery.samovar("reload", "brewery")
    assert ran.returncode == 0, ran.stderr
    brewery.wait_for_leaves("green", 2)
    brewery.say(leaves="mouldy")
    failed = brewery.samovar("reload", "brewery")
    assert failed.returncode != 0
    assert "mouldy leaves" in failed.stderr
    assert brewery.client.ok("brewery.leaves") == "green"
    assert "mouldy leaves" in brewery.samovar("status").stdout


def test_samovar_scale_changes_the_number_of_workers(brewery: Brewery) -> None:
    brewery.start(1)
    assert brewery.samovar("scale", "brewery", 3).returncode == 0
    assert len(brewery.broker.wait_for_workers("brewery", 3)) == 3
    assert brewery.count("load") == 1
    assert brewery.samovar("scale", "brewery", 1).returncode == 0
    assert len(brewery.broker.wait_for_workers("brewery", 1)) == 1


def test_samovar_crashes_tells_where_a_worker_hung(brewery: Brewery) -> None:
    brewery.start(1, "--hard-timeout", "0.2")
    assert brewery.client.call("brewery.boil").word == "worker_lost"
    shown = brewery.samovar("crashes", "brewery").stdout
    assert "--hard-timeout" in shown
    assert "in boil" in shown


# --- what hangs ----------------------------------------------------------------------------------------


def test_a_hang_is_killed_with_its_children_and_a_spare_takes_over(brewery: Brewery) -> None:
    pool = brewery.start(1, "--spares", 1, "--hard-timeout", "0.2")
    wait_until(lambda: brewery.count("on_worker_start") == 2, "the spare did not start")
    call = brewery.client.begin("brewery.boil")
    outcome = brewery.client.finish(call)
    assert outcome.word == "worker_lost"
    assert "--hard-timeout" in outcome.message
    assert outcome.value["stack"].count("in boil") == 1, "where it hung, once"
    assert brewery.client.ok("brewery.leaves") == "black"
    wait_until(lambda: brewery.count("on_worker_start") == 3, "there was no new spare")
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0


def test_a_gigabyte_of_output_is_cut_and_disturbs_nobody(brewery: Brewery) -> None:
    pool = brewery.start(1)
    call = brewery.client.begin("brewery.pour", 1024, timeout=60)
    assert brewery.client.finish(call, cap=60).word == "ok"
    pool.wait_for_line("more lines: only 1000 a second are shown")
    assert len(pool.log()) < 50 << 20


# --- samovard dies -------------------------------------------------------------------------------------


@pytest.fixture
def configured(scene: Scene) -> Iterator[str]:
    scene.env["BREWERY"] = str(scene.directory)
    directory = Path(__file__).parent / "apps"
    yield f"""
[[service]]
name = "brewery"
app = "brewery:service"
workers = 2
directory = "{directory}"
"""


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_pool_outlives_its_samovard_and_is_adopted_by_the_next(
    scene: Scene, configured: str, transport: str
) -> None:
    first = scene.broker(config=configured, transport=transport)
    pids = {worker["pid"] for worker in first.wait_for_workers("brewery", 2)}
    first.kill()
    second = scene.broker(config=configured, endpoints=(first.frontend, first.backend))
    adopted = second.wait_for_workers("brewery", 2)
    assert {worker["pid"] for worker in adopted} == pids
    assert scene.notes().count("load") == 1
    second.signal(signal.SIGTERM)
    assert second.exit_code() == 0
    wait_until(lambda: not scene.processes(), "the adopted pool did not stop with samovard")


def test_a_pool_that_nobody_adopts_ends(scene: Scene, configured: str) -> None:
    config = configured + 'arguments = ["--orphan-grace", "0.1"]\n'
    broker = scene.broker(config=config)
    broker.wait_for_workers("brewery", 2)
    broker.kill()
    wait_until(lambda: not scene.processes(), "the orphans did not end")


def test_an_adopted_pool_that_is_killed_is_started_again(scene: Scene, configured: str) -> None:
    first = scene.broker(config=configured)
    first.wait_for_workers("brewery", 2)
    first.kill()
    second = scene.broker(config=configured)
    adopted = int(second.wait_for_line(r"samovard adopted, pid (\d+)")[1])
    os.kill(adopted, signal.SIGKILL)
    wait_until(lambda: scene.notes().count("load") == 2, "there was no second pool")
    assert len(second.wait_for_workers("brewery", 2)) == 2
