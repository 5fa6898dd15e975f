"""The command samovar: results on stdout, one sentence on stderr, an exit code for each class of outcome."""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.processes import SAMOVAR, Broker, Program, Scene, wait_until
from e2e.raw import CAP_S, WORDS


@dataclass
class Ran:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self
        return json.loads(self.out)


def samovar(scene: Scene, *arguments: object, **env: str) -> Ran:
    done = subprocess.run(
        [str(each) for each in (SAMOVAR, *arguments)],
        env={**scene.env, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def call(scene: Scene, broker: Broker, *arguments: object) -> Ran:
    return samovar(scene, "--endpoint", broker.frontend, "call", *arguments)


def exit_codes(scene: Scene) -> dict[str, int]:
    """What --help says."""
    table = samovar(scene, "--help").out.split("Exit codes:")[1]
    codes = {word: int(code) for code, word in re.findall(r"(\d+) (\w+)", table)}
    assert set(WORDS) <= set(codes)
    assert len(set(codes.values())) == len(codes)
    assert codes["ok"] == 0
    return codes


def check_failed(scene: Scene, ran: Ran, word: str) -> None:
    assert ran.code == exit_codes(scene)[word], ran
    assert word in ran.err
    assert len(ran.err.splitlines()) == 1, "one sentence"
    assert not ran.out


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_call_prints_the_result_as_json(scene: Scene, transport: str) -> None:
    broker = scene.broker(transport=transport)
    scene.pool(broker.backend)
    assert call(scene, broker, "kitchen.echo", "1.0.1.0").json() == "1.0.1.0"
    assert call(scene, broker, "kitchen.add", "40", "2").json() == 42
    assert call(scene, broker, "kitchen.add", "-5", "--kw", "right=2").json() == -3
    assert call(scene, broker, "kitchen.echo", '{"a": [1, null, "茶"]}', "5", '"5"').json() == [
        [{"a": [1, None, "茶"]}, 5, "5"],
        {},
    ]
    assert call(scene, broker, "kitchen.length", '{"$bytes": "AAEC"}').json() == 3


def test_the_endpoint_may_come_from_the_environment(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    ran = samovar(scene, "call", "kitchen.add", 1, SAMOVAR_ENDPOINT=broker.frontend)
    assert ran.json() == 2


def test_each_outcome_has_an_exit_code_and_one_sentence(scene: Scene) -> None:
    broker = scene.broker(
        config="[deadlines]\nstartup_grace_ms = 0\n[limits]\nmax_body = 1048576\n"
    )
    pool = scene.pool(broker.backend)
    for word, arguments in {
        "app_error": ["kitchen.fail", "no tea left"],
        "bad_request": ["kitchen.samovar"],
        "no_service": ["nobody.home"],
        "deadline_exceeded": ["kitchen.nap", "0.3", "--timeout", "100ms"],
        "worker_lost": ["kitchen.die", "SIGKILL"],
        "too_large": ["kitchen.zeros", str(4 << 20)],
    }.items():
        check_failed(scene, call(scene, broker, *arguments), word)
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    check_failed(scene, call(scene, broker, "kitchen.add", "1"), "unavailable")


def test_an_overloaded_service_has_its_exit_code(scene: Scene) -> None:
    small = scene.broker(config="[limits]\nmax_queued = 1\n")
    scene.pool(small.backend)
    busy = small.client()
    gate = scene.path("gate")
    held = busy.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    queued = busy.begin("kitchen.add", 1)
    check_failed(scene, call(scene, small, "kitchen.add", "1"), "overloaded")
    gate.touch()
    assert [outcome.word for outcome in busy.finish_all([held, queued])] == ["ok", "ok"]


def test_an_app_error_shows_its_traceback_when_asked(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    plain = call(scene, broker, "kitchen.fail", "no tea left")
    assert "ValueError" in plain.err and "no tea left" in plain.err and "Traceback" not in plain.err
    verbose = call(scene, broker, "kitchen.fail", "no tea left", "--verbose")
    assert "in fail" in verbose.err


def test_a_method_s_own_timeout_holds_for_calls_that_give_none(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    ran = call(scene, broker, "kitchen.hold_briefly", "held", scene.path("gate"))
    scene.wait_for_note("held")
    check_failed(scene, ran, "deadline_exceeded")
    scene.path("gate").touch()
    ran = call(
        scene, broker, "kitchen.hold_briefly", "again", scene.path("gate"), "--timeout", "20s"
    )
    assert ran.json() == "again"


def test_a_broker_that_dies_in_mid_call_is_broker_lost(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    program = scene.run(
        SAMOVAR, "--endpoint", broker.frontend, "call", "kitchen.hold", "held", scene.path("gate")
    )
    scene.wait_for_note("held")
    broker.kill()
    killed_at = time.monotonic()
    assert program.exit_code() == exit_codes(scene)["broker_lost"]
    assert "broker_lost" in program.log()
    assert time.monotonic() - killed_at < 3.0
    scene.path("gate").touch()


def test_a_broker_that_comes_after_the_deadline_runs_nothing(scene: Scene) -> None:
    endpoint = scene.ipc("front")
    begun = time.monotonic()
    ran = samovar(
        scene, "--endpoint", endpoint, "call", "kitchen.record", "too early", "--timeout", "300ms"
    )
    assert time.monotonic() - begun < 5.0
    check_failed(scene, ran, "unavailable")
    assert endpoint in ran.err
    broker = scene.broker()
    scene.pool(broker.backend)
    assert call(scene, broker, "kitchen.record", "in time").json() == "in time"
    assert scene.notes() == ["in time"]


def test_a_broker_that_comes_before_the_deadline_is_found(scene: Scene) -> None:
    program = scene.run(SAMOVAR, "--endpoint", scene.ipc("front"), "call", "kitchen.add", 1)
    broker = scene.broker(config="[deadlines]\nno_worker_grace_ms = 60000\n")
    scene.pool(broker.backend)
    assert program.exit_code() == 0
    assert program.log() == "2\n"


def test_services_status_and_ping_for_people(scene: Scene, broker: Broker, pool: Program) -> None:
    endpoint = ("--endpoint", broker.frontend)
    assert samovar(scene, *endpoint, "call", "kitchen.add", "1").code == 0
    services = samovar(scene, *endpoint, "services")
    assert services.code == 0 and "kitchen" in services.out and "echo" in services.out
    status = samovar(scene, *endpoint, "status")
    assert status.code == 0 and "kitchen/worker-1" in status.out and "serving" in status.out
    ping = samovar(scene, *endpoint, "ping", "--count", "3")
    assert ping.code == 0 and ping.out.count("pong") == 3


def test_services_status_and_ping_for_programs(scene: Scene, broker: Broker, pool: Program) -> None:
    endpoint = ("--endpoint", broker.frontend)
    (service,) = samovar(scene, *endpoint, "services", "--json").json()
    assert (service["name"], service["workers"]) == ("kitchen", 1)
    status = samovar(scene, *endpoint, "status", "--json").json()
    assert status["services"][0]["workers"][0]["name"] == "kitchen/worker-1"
    assert {"counters", "outcomes", "clients", "broker"} <= set(status)
    ping = samovar(scene, *endpoint, "ping", "--json", "--count", "2").json()
    assert len(ping["round_trip_ms"]) == 2


def test_without_a_broker_every_command_says_unavailable_and_names_the_endpoint(
    scene: Scene,
) -> None:
    for command in (["services"], ["status", "--json"], ["ping"], ["call", "a.b"]):
        ran = samovar(scene, "--endpoint", scene.ipc("nowhere"), "--timeout", "200ms", *command)
        check_failed(scene, ran, "unavailable")
        assert scene.ipc("nowhere") in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["boil"],
        ["call"],
        ["call", "a.b", "--timeout", "soon"],
        ["call", "a.b", "--kw", "novalue"],
        ["--endpoint", "nowhere", "ping"],
        ["--endpoint", "tcp://127.0.0.1:http", "ping"],
        ["ping", "--count", "0"],
        ["status", "--colour"],
    ],
)
def test_wrong_usage_ends_with_code_2_and_a_sentence(scene: Scene, arguments: list[str]) -> None:
    ran = samovar(scene, *arguments)
    assert ran.code == 2, ran
    assert ran.err.startswith("samovar: ")
    assert not ran.out


def test_a_call_whose_reader_has_gone_leaves_no_process(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    program = scene.run(
        SAMOVAR, "--endpoint", broker.frontend, "call", "kitchen.hold", "held", scene.path("gate")
    )
    scene.wait_for_note("held")
    os.kill(program.pid, signal.SIGINT)
    assert program.exit_code() != 0
    broker.wait_for_counter("client_gone", 1)
    scene.path("gate").touch()
    assert broker.client().ok("kitchen.add", 1) == 2


def test_errors_lists_what_has_failed_by_method_and_code(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    endpoint = ("--endpoint", broker.frontend)
    assert "no call has failed" in samovar(scene, *endpoint, "errors").out
    assert "no call of 'kitchen' has failed" in samovar(scene, *endpoint, "errors", "kitchen").out
    for _ in range(2):
        samovar(scene, *endpoint, "call", "kitchen.fail", "no tea")
    samovar(scene, *endpoint, "call", "kitchen.nothing")
    latest, before = samovar(scene, *endpoint, "errors").out.splitlines()[1:]
    assert latest.split()[:3] == ["kitchen.nothing", "bad_request", "1"]
    assert before.split()[:3] == ["kitchen.fail", "app_error", "2"]
    assert before.endswith("kitchen.fail raised ValueError: no tea")
    found = samovar(scene, *endpoint, "errors", "kitchen", "--json").json()
    assert [each["count"] for each in found] == [1, 2]


def test_status_says_what_a_worker_runs(scene: Scene, broker: Broker, pool: Program) -> None:
    gate = scene.path("gate")
    held = broker.client().begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    (worker,) = broker.service("kitchen")["workers"]
    (running,) = worker["running"]
    assert running["method"] == "kitchen.hold" and held
    assert 0 <= running["for_us"] < 60_000_000
    gate.touch()
    wait_until(lambda: not broker.service("kitchen")["workers"][0]["running"], "it runs for ever")
