"""How long samovard takes to be ready, and `samovar call` as a whole process."""

import subprocess
import time
from pathlib import Path
from typing import Any

from bench.scenarios import SAMOVAR_NULL
from bench.stage import BIN, Failed, Stage

REPEATS = 5


def samovard_start(directory: Path) -> dict[str, Any]:
    """The best of a few: what is to be known is samovard's own time."""
    best = float("inf")
    for number in range(REPEATS):
        stage = Stage(directory / f"start-{number}")
        command: list[Any] = [
            BIN / "samovard",
            "--frontend",
            stage.ipc("f"),
            "--backend",
            stage.ipc("b"),
        ]
        try:
            began = time.perf_counter()
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            try:
                assert process.stderr is not None
                while "samovard: ready" not in (line := process.stderr.readline()):
                    if not line:
                        raise Failed("samovard did not get ready")
                best = min(best, time.perf_counter() - began)
            finally:
                process.terminate()
                process.communicate(timeout=10)
        finally:
            stage.stop()
    return {"ms": best * 1000}


def samovar_call(directory: Path) -> dict[str, Any]:
    """A call of the null worker, from the start of the process to its end."""
    stage = Stage(directory / "call")
    try:
        target = SAMOVAR_NULL.start(stage)
        command: list[Any] = [
            BIN / "samovar",
            "--endpoint",
            target.endpoint,
            "call",
            "bench.lookup",
        ]
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            if done.returncode != 0:
                raise Failed(f"samovar call: {done.stderr.strip()[-200:]}")
            best = min(best, time.perf_counter() - began)
        return {"ms": best * 1000}
    finally:
        stage.stop()
