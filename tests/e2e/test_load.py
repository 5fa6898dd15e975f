"""samovar-load against a real samovard and a real worker: what it counts, what it says, how it ends."""

import json
import os
import re
import signal
import subprocess
import time
from typing import Any

import pytest

from e2e.processes import BIN, Broker, Program, Scene

SAMOVAR_LOAD = BIN / "samovar-load"
_CAP_S = 60


class Ran:
    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def samovar_load(scene: Scene, *arguments: object) -> Ran:
    return Ran(
        subprocess.run(
            [str(each) for each in (SAMOVAR_LOAD, *arguments)],
            env=scene.env,
            cwd=scene.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CAP_S,
            check=False,
        )
    )


def load(scene: Scene, broker: Broker, *arguments: object) -> Ran:
    return samovar_load(scene, "--endpoint", broker.frontend, *arguments)


def report(scene: Scene, broker: Broker, *arguments: object) -> dict[str, Any]:
    ran = load(scene, broker, *arguments, "--json", "-", "--quiet")
    assert ran.code == 0, ran
    return dict(json.loads(ran.out))


def test_a_closed_loop_makes_exactly_the_calls_that_were_asked_for(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    found = report(
        scene, broker, "--method", "kitchen.tick", "--requests", 500, "--concurrency", 16
    )
    assert (found["requests"], found["ok"], found["errors"]) == (500, 500, {})
    assert broker.results("kitchen.tick") == 500
    latency = found["latency_us"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"]
    assert latency["p999"] <= latency["max"]
    assert found["throughput_rps"] > 0
    assert found["running_us"]["sampled_calls"] >= 500 // 32


def test_processes_and_connections_share_the_calls(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    found = report(
        scene,
        broker,
        *("--method", "kitchen.tick", "--requests", 301, "--concurrency", 10),
        *("--processes", 2, "--connections", 2),
    )
    assert found["ok"] == 301
    assert broker.results("kitchen.tick") == 301


def test_a_closed_loop_runs_for_its_time(scene: Scene, broker: Broker, pool: Program) -> None:
    begun = time.monotonic()
    found = report(scene, broker, "--method", "kitchen.tick", "--duration", "1s", "--warmup", "0")
    assert time.monotonic() - begun >= 1
    assert found["seconds"] == 1
    assert found["ok"] == broker.results("kitchen.tick") > 10
    assert found["slices"]


def test_errors_are_counted_by_code_and_shown_once(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    failing = ("--method", "kitchen.fail", "--args", '["no tea left"]')
    adding = ("--method", "kitchen.add", "--args", '["no number"]')
    found = load(scene, broker, *failing, "--requests", 20, "--json", "found.json")
    assert found.code == 3, found
    assert found.out.count("no tea left") == 1
    assert "nothing was measured" in found.err
    written = json.loads(scene.path("found.json").read_text())
    assert written["errors"] == {"app_error": 20}
    assert load(scene, broker, *adding, "--requests", 3).code == 3
    unknown = load(scene, broker, "--method", "kitchen.samovar", "--requests", 50)
    assert re.search(r"^50 bad_request: .*samovar", unknown.out, re.MULTILINE), unknown


def test_a_mix_calls_each_method_by_its_weight(scene: Scene, broker: Broker, pool: Program) -> None:
    scene.path("mix.json").write_text(
        json.dumps(
            [
                {"method": "kitchen.add", "weight": 3, "args": [1, 2]},
                {"method": "kitchen.echo", "schema": [{"type": "string", "length": 8}]},
            ]
        )
    )
    report(scene, broker, "--mix", "mix.json", "--requests", 400, "--seed", 1)
    assert broker.results("kitchen.add") + broker.results("kitchen.echo") == 400
    assert 200 < broker.results("kitchen.add") < 400


def test_arguments_come_from_lines_columns_schemas_and_sizes(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    scene.path("lines").write_text("one\ntwo\nthree\n")
    report(scene, broker, "--method", "kitchen.record", "--args-file", "lines", "--requests", 6)
    assert sorted(scene.notes()) == ["one", "one", "three", "three", "two", "two"]
    scene.path("table.csv").write_text("name,left,right\nx,1,2\ny,3,4\n")
    csv = ("--args-csv", "table.csv", "--columns", "left:int,right:int")
    schema = ("--args-schema", '[{"type": "int", "min": 0, "max": 9}]')
    for source in (csv, schema):
        assert report(scene, broker, "--method", "kitchen.add", *source, "--requests", 5)["ok"] == 5
    keywords = ("--args", "1", "--kwargs", '{"right": 2}')
    assert report(scene, broker, "--method", "kitchen.add", *keywords, "--requests", 5)["ok"] == 5
    size = ("--body-size", "10KiB")
    assert report(scene, broker, "--method", "kitchen.length", *size, "--requests", 5)["ok"] == 5


def test_an_open_loop_counts_the_wait_behind_a_slow_call(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    # 20 calls of 50 ms, all of them due within 100 ms, at one worker: the last one waits for about a second.
    found = report(
        scene,
        broker,
        *("--method", "kitchen.nap", "--args", "[0.05]"),
        *("--rate", 200, "--arrivals", "even", "--duration", "100ms", "--warmup", "0"),
    )
    assert found["requests"] == found["ok"] == 20
    assert found["latency_us"]["max"] > 500_000
    assert found["latency_us"]["p50"] > 200_000


def test_steps_are_reported_one_by_one(scene: Scene, broker: Broker, pool: Program) -> None:
    steps = ("--method", "kitchen.tick", "--steps", "1,4", "--requests", 50)
    found = report(scene, broker, *steps)
    assert [step["level"]["concurrency"] for step in found["steps"]] == [1, 4]
    assert [step["ok"] for step in found["steps"]] == [50, 50]
    assert found["ok"] == 100
    assert load(scene, broker, *steps, "--csv", "steps.csv").code == 0
    assert len(scene.path("steps.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("ramp", ["1:8", "10/s:200/s"])
def test_a_ramp_runs(scene: Scene, broker: Broker, pool: Program, ramp: str) -> None:
    found = report(scene, broker, "--method", "kitchen.tick", "--ramp", ramp, "--duration", "500ms")
    assert found["ok"] == found["requests"] > 10


def test_the_search_finds_a_rate(scene: Scene, broker: Broker, pool: Program) -> None:
    nap = ("--method", "kitchen.nap", "--args", "[0.02]", "--arrivals", "even", "--rate", 10)
    search = ("--find-max", "p50<100ms", "--duration", "400ms", "--warmup", "0")
    ran = load(scene, broker, *nap, *search, "--json", "found.json")
    found = json.loads(scene.path("found.json").read_text())["find_max"]
    assert ran.code == 0, ran
    assert 0 < found["rate"] < 100, "one worker makes 50 such calls a second"
    assert any(not trial["held"] for trial in found["trials"])
    assert "The highest rate that holds p50<100ms" in ran.out


def test_what_is_asserted_decides_the_exit_code(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    nap = ("--method", "kitchen.nap", "--args", "[0.01]", "--requests", 10)
    assert load(scene, broker, *nap, "--assert", "p99<30s,errors<0.1%").code == 0
    failed = load(scene, broker, *nap, "--assert", "p50<9ms")
    assert failed.code == 1
    assert "p50<9ms is not held" in failed.err


def test_the_page_is_self_contained(scene: Scene, broker: Broker, pool: Program) -> None:
    ran = load(
        scene,
        broker,
        *("--method", "kitchen.tick", "--duration", "600ms", "--warmup", "0"),
        *("--html", "page.html", "--percentiles", "percentiles.txt"),
    )
    assert ran.code == 0, ran
    page = scene.path("page.html").read_text()
    assert page.count("<svg") == page.count("</svg>") == 3
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page
    assert scene.path("percentiles.txt").read_text().splitlines()[-3].startswith("#[Mean")


def test_compare_tells_a_slow_run_from_a_fast_one(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    for name, seconds in (("fast", 0.002), ("slow", 0.03)):
        arguments = ("--method", "kitchen.nap", "--args", f"[{seconds}]", "--json", f"{name}.json")
        assert load(scene, broker, *arguments, "--duration", "1s", "--warmup", "0").code == 0
    worse = samovar_load(scene, "compare", "fast.json", "slow.json")
    assert worse.code == 1 and "worse" in worse.out, worse
    better = samovar_load(scene, "compare", "slow.json", "fast.json")
    assert better.code == 0 and "better" in better.out, better
    same = samovar_load(scene, "compare", "fast.json", "fast.json")
    assert same.code == 0 and "no difference beyond the noise" in same.out, same
    scene.path("other.json").write_text("{}")
    assert samovar_load(scene, "compare", "fast.json", "other.json").code == 2


def test_without_a_broker_it_says_so_at_once(scene: Scene) -> None:
    begun = time.monotonic()
    ran = samovar_load(scene, "--endpoint", scene.ipc("nowhere"), "--method", "a.b")
    assert ran.code == 3, ran
    assert time.monotonic() - begun < 10
    assert len(ran.err.splitlines()) == 1
    assert scene.ipc("nowhere") in ran.err
    assert not ran.out


def test_ctrl_c_ends_the_run_and_still_gives_the_summary(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    program = scene.run(
        *(SAMOVAR_LOAD, "--endpoint", broker.frontend, "--method", "kitchen.record"),
        *("--args", '["called"]', "--duration", "1h", "--warmup", "0", "--json", "found.json"),
        name="samovar-load",
    )
    scene.wait_for_note("called")
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    assert program.exit_code() == 130
    assert "P99.9" in program.log()
    found = json.loads(scene.path("found.json").read_text())
    assert found["interrupted"] is True
    assert found["ok"] == broker.results("kitchen.record")


def test_ctrl_c_does_not_wait_for_a_call_that_hangs(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    gate = scene.path("gate")
    program = scene.run(
        *(SAMOVAR_LOAD, "--endpoint", broker.frontend, "--method", "kitchen.hold"),
        *("--args", json.dumps(["held", str(gate)]), "--warmup", "0", "--timeout", "1h"),
        name="samovar-load",
    )
    scene.wait_for_note("held")
    program.signal(signal.SIGINT)
    assert program.exit_code() == 130
    assert "1 calls were still under way" in program.log()
    gate.touch()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--method", "kitchen"],
        ["--method", "kitchen.add:many"],
        ["--method", "a.b", "--colour", "red"],
        ["--method", "a.b", "--duration", "soon"],
        ["--method", "a.b", "--assert", "p99<5"],
        ["--method", "a.b", "--find-max", "speed>5"],
        ["--method", "a.b", "--rate", "5", "--concurrency", "5"],
        ["--method", "a.b", "--arrivals", "even"],
        ["--method", "a.b", "--args", "[1]", "--body-size", "5"],
        ["--method", "a.b", "--args-file", "/nowhere"],
        ["--method", "a.b", "--args-csv", "/nowhere"],
        ["--method", "a.b", "--body-size", "huge"],
        ["--method", "a.b", "--args-schema", '[{"type": "colour"}]'],
        ["--method", "a.b", "--steps", "1,2/s"],
        ["--method", "a.b", "--ramp", "5"],
        ["--method", "a.b", "--requests", "5", "--ramp", "1:2"],
        ["--method", "a.b", "--endpoint", "nowhere"],
        ["--mix", "/nowhere"],
        ["compare", "/nowhere", "/nowhere"],
    ],
)
def test_wrong_usage_ends_with_code_2_and_one_sentence(scene: Scene, arguments: list[str]) -> None:
    ran = samovar_load(scene, *arguments)
    assert ran.code == 2, ran
    assert ran.err.startswith("samovar-load: ") and len(ran.err.splitlines()) == 1, ran
    assert not ran.out


def test_help_names_the_exit_codes(scene: Scene) -> None:
    ran = samovar_load(scene, "--help")
    assert ran.code == 0
    assert "Exit codes:" in ran.out and "130" in ran.out
