"""More load than there is capacity: what still gets done, what the others hear, and how a quiet client fares.

An open loop of samovar-load calls a method that sleeps for a millisecond in 4 workers, at 0.5 to 10 times what a closed
loop gets done, so that neither the generator nor the workers compete for the cores. Each call has 100 ms.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import plots
from bench.setups import PYTHON
from bench.stage import BIN, Failed, Stage

LOADS = (0.5, 1.0, 2.0, 5.0, 10.0)
WORKERS = 4
TIMEOUT_MS = 100
SECONDS = 4
LIGHT_RATE = 50  # calls a second of the quiet client
LIGHT_SECONDS = 6
CAP_S = 60

Report = dict[str, Any]


def _load(front: str, report: Path, seconds: float, *options: Any) -> "subprocess.Popen[str]":
    command = [BIN / "samovar-load", "--endpoint", front, "--method", "overload.work"]
    command += ["--args", "[1]", "--duration", f"{seconds}s", "--json", report, "--quiet"]
    words = [str(word) for word in [*command, "--seed", 1, *options]]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _finish(process: "subprocess.Popen[str]", report: Path) -> Report:
    try:
        _, error = process.communicate(timeout=CAP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed("samovar-load did not end") from None
    if process.returncode != 0:
        raise Failed(error.strip()[-300:] or f"samovar-load ended with {process.returncode}")
    found: Report = json.loads(report.read_text())
    return found


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failed(f"/proc/{pid}/status has no VmHWM")


def _point(load: float, capacity: float, run: Report) -> dict[str, Any]:
    errors: dict[str, int] = run["errors"]
    refused = errors.get("overloaded", 0)
    accepted = run["requests"] - refused
    heard = run["error_latency_us"].get("overloaded")
    return {
        "load": load,
        "offered_rps": load * capacity,
        "goodput_rps": run["throughput_rps"],
        "refused_share": refused / run["requests"],
        "refused_p99_ms": heard["p99"] / 1000 if heard else 0.0,
        "late_share": (accepted - run["ok"]) / accepted,
        "p99_ms": run["latency_us"]["p99"] / 1000,
        "generator_late_p99_ms": run["client"]["late_p99_us"] / 1000,
        "errors": errors,
    }


def _light(front: str, directory: Path, flood_rps: float) -> float:
    """p99, ms, of a client with a call now and then; beside one that floods, unless its rate is 0."""
    quiet, loud = directory / "quiet.json", directory / "loud.json"
    flood = None
    if flood_rps:
        options = ("--rate", flood_rps, "--timeout", f"{TIMEOUT_MS}ms")
        flood = _load(front, loud, LIGHT_SECONDS + 2, *options)
    light = _load(front, quiet, LIGHT_SECONDS, "--rate", LIGHT_RATE, "--warmup", "1s")
    try:
        run = _finish(light, quiet)
    finally:
        if flood:
            _finish(flood, loud)
    if run["ok"] != run["requests"]:
        raise Failed(f"calls of the quiet client failed: {run['errors']}")
    return float(run["latency_us"]["p99"]) / 1000


def overload() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sb-overload-", dir="/tmp") as name:
        directory = Path(name)
        stage = Stage(directory / "stage")
        try:
            front, back = stage.ipc("front"), stage.ipc("back")
            command = [BIN / "samovard", "--frontend", front, "--backend", back]
            broker = stage.start("samovard", command, "samovard: ready")
            worker = [PYTHON.parent / "samovar-worker", "overload:service", "--connect", back]
            stage.start("samovar-worker", [*worker, "--workers", WORKERS], " ready ")
            report = directory / "report.json"
            closed = _load(front, report, SECONDS, "--concurrency", 64)
            capacity = float(_finish(closed, report)["throughput_rps"])
            points = []
            for load in LOADS:
                options = ("--rate", round(load * capacity), "--timeout", f"{TIMEOUT_MS}ms")
                process = _load(front, report, SECONDS, *options)
                point = _point(load, capacity, _finish(process, report))
                point["broker_mb"] = _rss_mb(broker.pid)
                points.append(point)
                print(_line(point), flush=True)
            alone = _light(front, directory, 0)
            beside = _light(front, directory, 10 * capacity)
        finally:
            stage.stop()
    return _figures(capacity, points, alone, beside)


def _line(point: dict[str, Any]) -> str:
    return (
        f"    {point['load']:>4g} x capacity: {point['goodput_rps']:>7,.0f} calls/s done,"
        f" {point['refused_share']:>6.1%} refused (p99 {point['refused_p99_ms']:.2f} ms),"
        f" {point['late_share']:.2%} of the accepted late, p99 {point['p99_ms']:.1f} ms,"
        f" broker {point['broker_mb']:.0f} MB"
    )


def _figures(
    capacity: float, points: list[dict[str, Any]], alone: float, beside: float
) -> dict[str, Any]:
    beyond = [point for point in points if point["load"] >= 2]
    peak = max(point["goodput_rps"] for point in points)
    return {
        "capacity_rps": capacity,
        "points": points,
        "goodput": min(point["goodput_rps"] for point in beyond) / peak,
        "refused_p99_ms": max(point["refused_p99_ms"] for point in beyond),
        "late_share": max(point["late_share"] for point in beyond),
        "broker_mb": points[-1]["broker_mb"],
        "light_alone_p99_ms": alone,
        "light_beside_p99_ms": beside,
        "light_more_ms": beside - alone,
    }


def draw(found: dict[str, Any]) -> str:
    """The plot, from what overload() has returned."""
    points = found["points"]

    def line(label: str, key: str, colour: str) -> plots.Line:
        return plots.Line(label, [point[key] for point in points], colour)

    offered = [min(point["offered_rps"], 2 * found["capacity_rps"]) for point in points]
    done = [
        plots.Line("offered", offered, plots.FAINT),
        line("done in time", "goodput_rps", plots.OURS),
    ]
    waits = [
        line("accepted calls", "p99_ms", plots.OURS),
        line("until refused", "refused_p99_ms", plots.OTHERS),
    ]
    return plots.line_chart(
        [f"{point['load']:g} x capacity" for point in points],
        [("calls/s (offered is cut at twice the capacity)", done), ("p99, ms", waits)],
    )


CASES: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {"overload": (False, overload)}
