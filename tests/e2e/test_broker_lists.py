"""The C++ client (samovar-load) with two brokers whose workers are the same: what its callers notice when a broker goes."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.processes import BIN, Broker, Program, Scene, wait_until

SAMOVAR_LOAD = BIN / "samovar-load"
WORKERS = 2


class Pair:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._ends = [(scene.ipc(f"front{n}"), scene.ipc(f"back{n}")) for n in range(2)]
        self.brokers: list[Broker] = [scene.broker(endpoints=each) for each in self._ends]
        scene.pool(",".join(back for _, back in self._ends), "kitchen:service", WORKERS)
        for number in range(2):
            self.wait_for_workers(number)

    def wait_for_workers(self, number: int) -> None:
        def ready() -> int:
            workers = self.brokers[number].service("kitchen").get("workers", [])
            return sum(worker["state"] == "ready" for worker in workers)

        wait_until(lambda: ready() == WORKERS, "the workers did not register")

    def wait_for_calls(self, number: int, more: int = 50) -> None:
        before = self.brokers[number].counter("requests")
        wait_until(
            lambda: self.brokers[number].counter("requests") > before + more,
            f"broker {number} gets no calls",
        )

    def start_again(self, number: int) -> None:
        self.brokers[number].forget()
        self.brokers[number] = self._scene.broker(endpoints=self._ends[number])
        self.wait_for_workers(number)

    def load(self, *options: Any) -> Program:
        endpoints = ",".join(front for front, _ in self._ends)
        return self._scene.run(
            *(SAMOVAR_LOAD, "--endpoint", endpoints, "--method", "kitchen.tick"),
            *("--concurrency", 16, "--duration", "1h", "--warmup", "0", "--json", "found.json"),
            *options,
            name="samovar-load",
        )

    def end(self, load: Program) -> dict[str, Any]:
        """Its report; calls that were under way when it was ended are none of it."""
        os.killpg(load.pid, signal.SIGINT)
        assert load.exit_code() == 130, load.log()
        return dict(json.loads(self._scene.path("found.json").read_text()))


@pytest.fixture
def pair(scene: Scene) -> Iterator[Pair]:
    yield Pair(scene)


def test_brokers_are_replaced_one_after_the_other_and_no_call_fails(pair: Pair) -> None:
    load = pair.load()
    for number in (0, 1, 0):
        pair.wait_for_calls(number)
        assert pair.brokers[number].stop()
        pair.wait_for_calls(1 - number)
        pair.start_again(number)
        pair.wait_for_calls(number)
    found = pair.end(load)
    assert found["errors"] == {}
    assert found["ok"] > 300


@pytest.mark.parametrize("options", [["--idempotent"], []], ids=["idempotent", "once"])
def test_a_broker_is_killed_and_only_what_may_run_once_is_lost(
    pair: Pair, options: list[str]
) -> None:
    load = pair.load(*options)
    for number in (0, 1):
        pair.wait_for_calls(number)
        pair.brokers[number].kill()
        pair.wait_for_calls(1 - number)
        pair.start_again(number)
        pair.wait_for_calls(number)
    found = pair.end(load)
    assert set(found["errors"]) <= (set() if options else {"broker_lost"})
    assert sum(found["errors"].values()) <= 2 * 16
    assert found["ok"] > 300
