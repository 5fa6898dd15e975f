"""Calls that the C++ client makes again: retry and hedge at a real samovard with real workers (docs/cpp.md)."""

import json
from typing import Any

import pytest

from e2e.processes import BIN, Broker, Program, Scene, wait_until

PROBE = BIN / "samovar-interop"
QUICK = {"max_attempts": 100, "backoff_ms": 5}
PATIENT = {"max_attempts": 100, "backoff_ms": 200}
MANY = {"retry_budget": 100}  # more than there are

AT_ONCE = "[deadlines]\nno_worker_grace_ms = 1\nstartup_grace_ms = 1\n"


class Call:
    """One call by a program of its own."""

    def __init__(self, scene: Scene, broker: Broker, method: str, *args: Any, **how: Any) -> None:
        cell = {"method": method, "args": args, "timeout_ms": 60_000, **how}
        self.program = scene.run(PROBE, broker.frontend, json.dumps(cell), name="probe")

    def answer(self) -> dict[str, Any]:
        assert self.program.exit_code() == 0, self.program.log()
        return dict(json.loads(self.program.log()))


def outcomes(broker: Broker, method: str) -> dict[str, int]:
    """Of the attempts of "service.method", as the broker counts them."""
    service, name = method.rsplit(".", 1)
    methods = {each["name"]: each for each in broker.service(service).get("methods", [])}
    return dict(methods[name]["outcomes"]) if name in methods else {}


def wait_for_outcomes(broker: Broker, method: str, word: str, least: int) -> None:
    wait_until(
        lambda: outcomes(broker, method).get(word, 0) >= least,
        f"{method} never ended {least} times as {word}",
    )


@pytest.fixture
def deserted(scene: Scene) -> Broker:
    """Knows the service moody, whose pool has gone."""
    broker = scene.broker(config=AT_ONCE)
    pool = scene.pool(broker.backend, "moody:service")
    broker.client().ok("moody.echo", "a")
    assert pool.stop()
    return broker


def test_a_call_that_finds_no_worker_is_made_again_until_there_is_one(
    scene: Scene, deserted: Broker
) -> None:
    call = Call(scene, deserted, "moody.echo", "tea", retry=PATIENT, **MANY)
    wait_for_outcomes(deserted, "moody.echo", "unavailable", 2)
    scene.pool(deserted.backend, "moody:service")
    answer = call.answer()
    assert answer["value"] == "tea"
    assert answer["attempt"] == outcomes(deserted, "moody.echo")["unavailable"] + 1


def test_the_budget_ends_what_fails_everywhere(scene: Scene, deserted: Broker) -> None:
    call = Call(scene, deserted, "moody.echo", "tea", retry=QUICK, retry_budget=0)
    answer = call.answer()
    assert (answer["code"], answer["attempt"]) == ("unavailable", 11)  # ten may be made again
    assert outcomes(deserted, "moody.echo")["unavailable"] == 11


def test_a_call_without_retry_is_made_once(scene: Scene, deserted: Broker) -> None:
    answer = Call(scene, deserted, "moody.echo", "tea").answer()
    assert (answer["code"], answer["attempt"]) == ("unavailable", 1)


def test_a_call_that_is_refused_by_a_full_queue_is_made_again(scene: Scene) -> None:
    broker = scene.broker(config="[limits]\nmax_queued = 1\n")
    scene.pool(broker.backend)
    busy, gate = broker.client(), scene.path("gate")
    held = busy.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    queued = busy.begin("kitchen.echo", 1)
    broker.wait_for_queued("kitchen", 1)
    call = Call(scene, broker, "kitchen.add", 1, retry=PATIENT, **MANY)
    wait_until(lambda: broker.status()["outcomes"]["overloaded"], "it was not refused")
    gate.touch()
    assert call.answer()["value"] == 2
    assert [outcome.word for outcome in busy.finish_all([held, queued])] == ["ok", "ok"]


# --- worker_lost: the broker runs an idempotent call three times at most ------------------------------------


@pytest.fixture
def mortal(scene: Scene) -> Broker:
    broker = scene.broker(config="[limits]\nquarantine_after = 0\n")
    scene.pool(broker.backend, "moody:service")
    return broker


def runs(scene: Scene) -> int:
    return len(list(scene.directory.glob("place.*")))


@pytest.mark.parametrize("retry, code, ran", [(None, "worker_lost", 3), (QUICK, None, 4)])
def test_an_idempotent_call_outlives_the_deaths_of_its_workers(
    scene: Scene, mortal: Broker, retry: Any, code: str | None, ran: int
) -> None:
    how = {"retry": retry} if retry else {}
    place = str(scene.path("place"))
    answer = Call(scene, mortal, "moody.die_first", place, 3, idempotent=True, **how).answer()
    assert answer.get("code") == code
    assert (runs(scene), answer["attempt"]) == (ran, ran)


def test_a_call_that_is_not_idempotent_is_run_once(scene: Scene, mortal: Broker) -> None:
    place = str(scene.path("place"))
    answer = Call(scene, mortal, "moody.die_first", place, 1, retry=QUICK).answer()
    assert (answer["code"], answer["attempt"], runs(scene)) == ("worker_lost", 1, 1)


# --- hedge --------------------------------------------------------------------------------------------------


@pytest.fixture
def two_workers(scene: Scene, broker: Broker) -> Program:
    return scene.pool(broker.backend, "moody:service", 2)


def test_a_hedge_wins_against_a_slow_worker_and_the_loser_is_cancelled(
    scene: Scene, broker: Broker, two_workers: Program
) -> None:
    call = Call(scene, broker, "moody.stall_first", str(scene.path("place")), hedge_ms=20)
    assert call.answer()["value"] == 2
    scene.wait_for_note("stopped")
    wait_for_outcomes(broker, "moody.stall_first", "cancelled", 1)
    counted = outcomes(broker, "moody.stall_first")
    assert (counted["ok"], counted["cancelled"]) == (1, 1)


def test_a_call_that_is_answered_in_time_is_made_once(
    scene: Scene, broker: Broker, two_workers: Program
) -> None:
    answer = Call(scene, broker, "moody.echo", "tea", hedge_ms=30_000).answer()
    assert (answer["value"], answer["attempt"]) == ("tea", 1)
    counted = outcomes(broker, "moody.echo")
    assert (counted["ok"], counted["cancelled"]) == (1, 0)
