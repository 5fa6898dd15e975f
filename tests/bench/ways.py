"""The two ways of the article, as examples/demo has them: a process per call, and a resident one that is nudged."""

import select
import statistics
import subprocess
import sys
import time
from typing import Any

from bench.scenarios import WAYS
from bench.stage import Failed

CALLS = 8
BURST = 4
NUDGE_S = 0.5
ADDRESS = "8.8.8.8"
ANSWER = "US"
CAP_S = 30


def _summary(latencies: list[float], seconds: float) -> dict[str, Any]:
    return {
        "calls": len(latencies),
        "rps": len(latencies) / seconds,
        "p50_us": statistics.median(latencies) * 1e6,
        "p99_us": max(latencies) * 1e6,
    }


def per_call() -> dict[str, Any]:
    latencies = []
    start = time.perf_counter()
    for _ in range(CALLS):
        began = time.perf_counter()
        command: list[Any] = [sys.executable, WAYS / "per_call.py", "ipgeo", ADDRESS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CAP_S)
        if done.stdout.strip() != ANSWER:
            raise Failed(f"per_call.py: {done.stderr.strip()[-200:] or done.stdout!r}")
        latencies.append(time.perf_counter() - began)
    return _summary(latencies, time.perf_counter() - start)


def nudge() -> dict[str, Any]:
    """Bursts of lines; while answers are missing, an empty line every 500 ms."""
    child = subprocess.Popen(
        [sys.executable, WAYS / "nudge.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        _ask(child, f"{ADDRESS}\n", 1)  # it has loaded
        start = time.perf_counter()
        latencies = []
        for _ in range(CALLS // BURST):
            latencies += _ask(child, f"{ADDRESS}\n" * BURST, BURST)
        return _summary(latencies, time.perf_counter() - start)
    finally:
        child.kill()
        child.communicate()


def _ask(child: "subprocess.Popen[bytes]", lines: str, answers: int) -> list[float]:
    assert child.stdin is not None and child.stdout is not None
    began = time.perf_counter()
    child.stdin.write(lines.encode())
    child.stdin.flush()
    latencies: list[float] = []
    buffer = b""
    while len(latencies) < answers:
        if not select.select([child.stdout], [], [], NUDGE_S)[0]:
            if time.perf_counter() - began > CAP_S:
                raise Failed("nudge.py does not answer")
            child.stdin.write(b"\n")
            child.stdin.flush()
            continue
        chunk = child.stdout.read1(4096)  # type: ignore[attr-defined]
        if not chunk:
            raise Failed("nudge.py has ended")
        buffer += chunk
        while b"\n" in buffer:
            _, _, buffer = buffer.partition(b"\n")
            latencies.append(time.perf_counter() - began)
    return latencies
