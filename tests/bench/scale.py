"""How far one machine goes: more brokers, more workers, more clients, one of them at a time.

Calls do nothing (service.py's `uneven`, for no time), so that what is measured is what a call costs beside its work. All processes share the
cores of this machine: more of them add capacity only as long as there are cores for them. docs/scale.md reads the figures.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.setups import PYTHON
from bench.stage import BIN, Failed, Stage

BROKERS = (1, 2, 4, 8)
WORKERS = (1, 4, 16, 64)
CLIENTS = (1, 10, 100, 1000, 5000)
CONNECTIONS = 1000  # of one samovar-load process, at most
SECONDS = 3
CAP_S = 120

Point = dict[str, Any]


def _load(fronts: str, report: Path, clients: int, concurrency: int) -> dict[str, Any]:
    processes = -(-clients // CONNECTIONS)
    command = [
        BIN / "samovar-load",
        "--endpoint",
        fronts,
        "--method",
        "bench.uneven",
        "--args",
        "[0]",
    ]
    command += ["--connections", -(-clients // processes), "--processes", processes]
    command += ["--concurrency", max(concurrency, clients), "--duration", f"{SECONDS}s"]
    command += ["--json", report, "--quiet", "--seed", 1]
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=CAP_S)
    if done.returncode != 0:
        raise Failed(done.stderr.strip()[-300:] or f"samovar-load ended with {done.returncode}")
    return dict(json.loads(report.read_text()))


def point(brokers: int, workers: int, clients: int, concurrency: int = 64) -> Point:
    """One measurement, with processes of its own."""
    with tempfile.TemporaryDirectory(prefix="sb-scale-", dir="/tmp") as directory:
        stage = Stage(Path(directory) / "stage")
        try:
            fronts = [stage.ipc(f"front{number}") for number in range(brokers)]
            backs = [stage.ipc(f"back{number}") for number in range(brokers)]
            for front, back in zip(fronts, backs):
                command = [BIN / "samovard", "--frontend", front, "--backend", back]
                stage.start("samovard", command, "samovard: ready")
            pool = [PYTHON.parent / "samovar-worker", "service:service"]
            pool += ["--connect", ",".join(backs), "--workers", workers]
            stage.start("samovar-worker", pool, " ready ")
            report = _load(",".join(fronts), Path(directory) / "report.json", clients, concurrency)
        finally:
            stage.stop()
    return {
        "brokers": brokers,
        "workers": workers,
        "clients": clients,
        "rps": report["throughput_rps"],
        "p50_ms": report["latency_us"]["p50"] / 1000,
        "p99_ms": report["latency_us"]["p99"] / 1000,
        "errors": report["errors"],
    }


def scale() -> dict[str, Any]:
    shapes = [(brokers, 4, 8) for brokers in BROKERS]
    shapes += [(1, workers, 8) for workers in WORKERS]
    shapes += [(1, 4, clients) for clients in CLIENTS]
    points = []
    for shape in dict.fromkeys(shapes):
        points.append(point(*shape))
        print(line(points[-1]), flush=True)
    return {"points": points}


def line(found: Point) -> str:
    errors = f", {found['errors']}" if found["errors"] else ""
    return (
        f"    {found['brokers']} brokers {found['workers']:>2} workers {found['clients']:>5,} clients:"
        f" {found['rps']:>9,.0f} calls/s, p50 {found['p50_ms']:.2f} ms, p99 {found['p99_ms']:.2f} ms{errors}"
    )


# Asked for by name only: it takes minutes, and has no bar.
CASES: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {"scale": (False, scale)}
