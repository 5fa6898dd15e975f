"""Runs the driver against a setup, once or as several processes at the same time."""

import functools
import json
import statistics
import subprocess
import time
from typing import Any

from bench.scenarios import Scenario
from bench.setups import Target
from bench.stage import BIN, SERVERS, Failed

DRIVER = BIN / "samovar-bench-drive"
PIN = "0"
CAP_S = 100  # the driver itself gives up before

Measured = dict[str, Any]


@functools.cache
def transports() -> set[str]:
    """What the driver was built with."""
    return set(subprocess.check_output([DRIVER, "--list"], text=True, timeout=CAP_S).split())


def _command(
    scenario: Scenario, target: Target, warm_up: float, seconds: float, watch: bool
) -> list[str]:
    command = ["taskset", "-c", PIN] if scenario.setup.pinned else []
    command += [str(DRIVER), "--transport", scenario.transport, "--endpoint", target.endpoint]
    command += ["--outstanding", str(max(1, scenario.outstanding // scenario.processes))]
    command += ["--warm-up", str(warm_up), "--duration", str(seconds * scenario.seconds)]
    for name, pid in target.watch.items() if watch else ():
        command += ["--watch", f"{name}={pid}"]
    return command


def drive(scenario: Scenario, target: Target, warm_up: float, seconds: float) -> Measured:
    """One measurement; raises Failed."""
    started: list["subprocess.Popen[str]"] = []
    try:
        for number in range(scenario.processes):
            command = _command(scenario, target, warm_up, seconds, watch=number == 0)
            command += ["--wait", *[str(option) for option in scenario.options]]
            started.append(
                subprocess.Popen(
                    command,
                    cwd=SERVERS,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline() != "connected\n":
                raise Failed(_reason(process))
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        end = time.monotonic() + CAP_S
        outputs = []
        for process in started:
            output, error = process.communicate(timeout=max(0.1, end - time.monotonic()))
            if process.returncode != 0:
                raise Failed(error.strip()[-300:] or f"the driver ended with {process.returncode}")
            outputs.append(json.loads(output))
        return together(outputs)
    except (subprocess.TimeoutExpired, BrokenPipeError):
        raise Failed("the driver did not end") from None
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        pass


def _reason(process: "subprocess.Popen[str]") -> str:
    try:
        _, error = process.communicate(timeout=CAP_S)
    except subprocess.TimeoutExpired:
        return "the driver did not connect"
    return error.strip()[-300:] or f"the driver ended with {process.returncode}"


def together(outputs: list[Measured]) -> Measured:
    """Several driver processes as one: their sum; CPU time is per call of all of them."""
    if len(outputs) == 1:
        return outputs[0]
    first = outputs[0]
    calls = sum(each["calls"] for each in outputs)
    total: Measured = {
        "calls": calls,
        "seconds": first["seconds"],
        "rps": sum(each["rps"] for each in outputs),
    }
    for key in ("p50_us", "p90_us", "p99_us"):
        total[key] = statistics.median(each[key] for each in outputs)
    total["max_us"] = max(each["max_us"] for each in outputs)
    # Others were watched by the first one only, over its own calls.
    cpu = {name: used * first["calls"] / calls for name, used in first["cpu_us_per_call"].items()}
    clients = sum(each["cpu_us_per_call"]["client"] * each["calls"] for each in outputs)
    total["cpu_us_per_call"] = {**cpu, "client": clients / calls}
    return total
