"""Workers that die, stop or only look as if: their callers hear at once, and nobody else is touched."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.processes import Broker, Program, Scene, is_running, wait_until
from e2e.raw import IDEMPOTENT, PROBE, Client, Outcome, now_us, words

AT_ONCE_S = 1.0  # milliseconds on an idle machine; a deadline would take much longer


def lost_with_reason(lose: Callable[[], Outcome]) -> Outcome:
    """Loses workers until one's obituary has come in time: on a busy machine its 100 ms may be too short."""
    for _ in range(5):
        outcome = lose()
        assert outcome.word == "worker_lost"
        if {"signal", "exit_code"} & set(outcome.value):
            return outcome
        print(f"no obituary came in time: {outcome.message}")
    raise AssertionError("no obituary came in time")


def test_kill_9_in_mid_call_is_heard_at_once_with_the_reason(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    pid = 0

    def lose() -> Outcome:
        nonlocal pid
        scene.ledger.unlink(missing_ok=True)
        pid = client.ok("kitchen.pid")
        call = client.begin("kitchen.last_words", str(scene.path("never")))
        scene.wait_for_note("spoken")
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        outcome = client.finish(call)
        elapsed = time.monotonic() - killed_at
        print(f"worker_lost {elapsed * 1000:.1f} ms after kill -9")
        assert elapsed < AT_ONCE_S
        return outcome

    outcome = lost_with_reason(lose)
    assert (outcome.value["pid"], outcome.value["signal"]) == (pid, signal.SIGKILL)
    assert "SIGKILL" in outcome.message
    assert outcome.value["stderr"].splitlines()[-1] == "word 29"
    assert client.ok("kitchen.pid") != pid
    assert broker.counter("workers_lost") >= 1


def test_kill_9_of_a_worker_whose_handler_has_forked_is_heard_at_once(
    scene: Scene, pool: Program, client: Client
) -> None:
    pid = client.ok("kitchen.pid")
    call = client.begin("kitchen.fork_and_hold", str(scene.path("never")))
    scene.wait_for_note("forked")
    child = wait_until(
        lambda: next((int(note[6:]) for note in scene.notes() if note.startswith("child ")), 0),
        "the child said nothing",
    )
    killed_at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    outcome = client.finish(call)  # the child keeps the connection open
    elapsed = time.monotonic() - killed_at
    print(f"worker_lost {elapsed * 1000:.1f} ms after kill -9")
    assert outcome.word == "worker_lost"
    assert outcome.value["signal"] == signal.SIGKILL
    assert elapsed < AT_ONCE_S
    assert client.ok("kitchen.pid") not in (pid, child)
    wait_until(lambda: not is_running(child), "the stray child was not ended")


@pytest.mark.parametrize(
    ("how", "key", "value"),
    [
        ("SIGSEGV", "signal", signal.SIGSEGV),
        ("SIGABRT", "signal", signal.SIGABRT),
        ("exit", "exit_code", 7),
    ],
)
def test_a_handler_that_ends_its_process_is_worker_lost(
    pool: Program, client: Client, how: str, key: str, value: int
) -> None:
    outcome = lost_with_reason(lambda: client.call("kitchen.die", how))
    assert outcome.value[key] == value
    assert "last words" in outcome.value["stderr"]
    assert client.ok("kitchen.add", 1) == 2


def test_what_waits_behind_a_dying_worker_is_run_by_the_next_one(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    client.ok("kitchen.record", "measured")
    gate = scene.path("gate")
    held = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    behind = [client.begin("kitchen.record", f"behind {number}") for number in range(50)]
    os.kill(broker.ready_workers("kitchen")[0]["pid"], signal.SIGKILL)
    assert client.finish(held).word == "worker_lost"
    assert words(client.finish_all(behind)) == {"ok"}
    assert sorted(scene.notes()) == sorted(
        ["measured", "held", *(f"behind {n}" for n in range(50))]
    )


def test_an_idempotent_call_is_run_again_when_its_worker_dies(
    scene: Scene, pool: Program, client: Client, broker: Broker
) -> None:
    gate = scene.path("gate")
    declared = client.begin("kitchen.hold_idempotent", "declared", str(gate))
    scene.wait_for_note("declared")
    os.kill(broker.ready_workers("kitchen")[0]["pid"], signal.SIGKILL)
    wait_until(lambda: scene.notes().count("declared") == 2, "it was not run again")
    gate.touch()
    outcome = client.finish(declared)
    assert (outcome.word, outcome.attempt) == ("ok", 2)

    gate.unlink()
    flagged = client.begin("kitchen.hold", "flagged", str(gate), flags=IDEMPOTENT)
    scene.wait_for_note("flagged")
    os.kill(broker.wait_for_workers("kitchen", 1)[0]["pid"], signal.SIGKILL)
    wait_until(lambda: scene.notes().count("flagged") == 2, "it was not run again")
    gate.touch()
    assert client.finish(flagged).word == "ok"


def test_a_stopped_worker_ends_calls_by_deadline_and_runs_no_expired_ones_later(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    client.ok("kitchen.record", "measured")  # so that several are dispatched at a time
    pid = client.ok("kitchen.pid")
    gate = scene.path("gate")
    running = client.begin("kitchen.hold", "held", str(gate), timeout=1.0)
    scene.wait_for_note("held")
    os.kill(pid, signal.SIGSTOP)
    try:
        outcome = client.finish(running)
        assert outcome.word == "deadline_exceeded"
        assert outcome.value["where"] == "running"
        queued = [client.begin("kitchen.record", f"expired {n}", timeout=0.2) for n in range(20)]
        assert words(client.finish_all(queued)) == {"deadline_exceeded"}
    finally:
        gate.touch()
        os.kill(pid, signal.SIGCONT)
    assert client.ok("kitchen.record", "fresh") == "fresh"
    assert scene.notes() == ["measured", "held", "fresh"]
    assert client.ok("kitchen.pid") == pid, "a stopped worker is not a dead one"


def test_requests_that_expired_in_a_stopped_workers_socket_are_not_run(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    for _ in range(3):
        client.ok("kitchen.record", "measured")
    pid = client.ok("kitchen.pid")
    os.kill(pid, signal.SIGSTOP)
    try:
        sent = client.begin_many("kitchen.record", 10, "expired", timeout=0.3)
        wait_until(lambda: broker.service("kitchen")["in_flight"] > 0, "nothing was dispatched")
        outcomes = client.finish_all(sent)
        assert words(outcomes) == {"deadline_exceeded"}
        assert any(outcome.value["where"] == "running" for outcome in outcomes)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert client.ok("kitchen.record", "fresh") == "fresh"
    assert scene.notes() == ["measured"] * 3 + ["fresh"]
    wait_until(lambda: broker.service("kitchen")["abandoned"] == 0, "credit was lost")


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_new_worker_that_gets_a_dead_ones_descriptor_is_never_lost(
    scene: Scene, transport: str
) -> None:
    rounds = 4
    probes = 0
    broker = scene.broker(transport=transport)
    client = broker.client()
    steady = broker.worker()
    steady.ready("steady", "work")
    blocker = client.begin("steady.work", "all the time")
    (held,) = steady.take()
    victim = broker.worker()
    victim.ready("round0", "work")
    broker.wait_for_workers("round0", 1)
    for number in range(1, rounds):
        # All of these expire in one turn of the broker's loop. While it is busy with that, the victim's descriptor is
        # closed, given to the new worker and used by it: the broker reads "closed" after the new worker's HELLO.
        sent_us = now_us()
        flood = client.begin_many("steady.work", 50_000, timeout=0.8, sent_us=sent_us)
        broker.wait_for_counter("requests", len(flood) * number)
        assert now_us() < sent_us + 800_000, "it took too long to aim"
        while now_us() < sent_us + 803_000:
            pass
        victim.close()
        victim = broker.worker()
        victim.ready(f"round{number}", "work")
        assert words(client.finish_all(flood)) == {"deadline_exceeded"}
        call = client.begin(f"round{number}.work", number)
        (item,) = victim.take()
        victim.reply(item, number)
        assert client.finish(call).value == number
        assert {other.kind for other in victim.others} <= {PROBE}
        probes += len(victim.others)
    print(f"healthy workers were probed {probes} times")
    assert broker.wait_for_counter("workers_lost", rounds - 1) == rounds - 1
    steady.reply(held, "done")
    assert client.finish(blocker).value == "done"
    assert broker.counter("hellos") == rounds + len(["client", "observer", "steady"])


def test_workers_that_are_killed_one_after_the_other_take_no_healthy_one_with_them(
    scene: Scene, broker: Broker, client: Client
) -> None:
    scene.pool(broker.backend, "kitchen:service", 2)
    healthy, *_ = (worker["pid"] for worker in broker.wait_for_workers("kitchen", 2))
    kills = 4
    for number in range(kills):
        pids = {worker["pid"] for worker in broker.wait_for_workers("kitchen", 2)}
        assert healthy in pids
        (victim,) = pids - {healthy}
        os.kill(victim, signal.SIGKILL)
        broker.wait_for_counter("workers_lost", number + 1)
        # The dead one held nothing, so nothing is lost.
        assert words(client.finish_all(client.begin_many("kitchen.echo", 50, 1))) == {"ok"}
    assert healthy in {worker["pid"] for worker in broker.wait_for_workers("kitchen", 2)}
    assert broker.counter("workers_lost") == kills


def check_that_busy_is_not_dead(scene: Scene, broker: Broker, seconds: float) -> None:
    client = broker.client()
    pid = client.ok("kitchen.pid")
    call = client.begin("kitchen.hold_the_gil", seconds, timeout=seconds + 30)
    scene.wait_for_note("holding")
    assert client.finish(call, cap=seconds + 30).word == "ok"
    assert client.ok("kitchen.pid") == pid
    assert broker.counter("workers_lost") == 0
    assert broker.counter("hellos") == len(["client", "observer", "supervisor", "worker"])


def test_a_handler_that_holds_the_gil_longer_than_any_heartbeat_is_not_taken_for_dead(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    # A peer that answers no heartbeat is cut off after an interval of 2 s and a timeout of 15 s.
    check_that_busy_is_not_dead(scene, broker, 18.0)


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_handler_that_holds_the_gil_for_a_minute_is_not_taken_for_dead(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    check_that_busy_is_not_dead(scene, broker, 60.0)


def test_a_call_beyond_the_hard_timeout_is_killed_with_that_reason(
    scene: Scene, broker: Broker, client: Client
) -> None:
    scene.pool(broker.backend, "kitchen:service", 1, "--hard-timeout", "0.5")
    outcome = lost_with_reason(lambda: client.call("kitchen.hold_the_gil", 30.0, timeout=25))
    assert "--hard-timeout" in outcome.message
    assert client.ok("kitchen.add", 1) == 2


def test_a_supervisor_that_is_killed_takes_its_workers_with_it(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    pid = client.ok("kitchen.pid")
    gate = scene.path("never")
    call = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    killed_at = time.monotonic()
    pool.kill()
    outcome = client.finish(call)
    print(
        f"worker_lost {(time.monotonic() - killed_at) * 1000:.1f} ms after kill -9 of the supervisor"
    )
    assert outcome.word == "worker_lost"
    assert time.monotonic() - killed_at < AT_ONCE_S
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the worker outlived its supervisor")
    assert client.call("kitchen.add", 1).word == "unavailable"
