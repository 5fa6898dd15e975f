"""The core alone: instructions by callgrind, nanoseconds by Google Benchmark, bytes per queued request."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.stage import BIN, Failed

COUNT = BIN / "samovar-bench-count"
TIMES = BIN / "samovar-bench-core"
CAP_S = 240
REQUESTS = 2048  # counted; every one costs the same to the instruction

# clients, workers, queued, requests in a message
SMALL = (1, 1, 0, 1)
LARGE = (10_000, 1_000, 1_000_000, 1)
BETWEEN = [(1, 1, 0, 8), (1, 1, 0, 64), (100, 64, 0, 1), (10_000, 1, 0, 1), (1, 1_000, 0, 1)]
BETWEEN += [(10_000, 1_000, 0, 1)]


def _run(command: list[Any]) -> "subprocess.CompletedProcess[str]":
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        raise Failed(f"{Path(words[0]).name} is not there: its packages are not installed")
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=CAP_S)
    except subprocess.TimeoutExpired:
        raise Failed(f"{Path(words[0]).name} took more than {CAP_S} s") from None
    if done.returncode != 0:
        raise Failed(done.stderr.strip()[-300:] or f"it ended with {done.returncode}")
    return done


def instructions(clients: int, workers: int, queued: int, bundle: int) -> dict[str, Any]:
    """Of one request, in the core only: what the peers do in the benchmark is not collected."""
    with tempfile.NamedTemporaryFile(prefix="sb-callgrind-") as output:
        command: list[Any] = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        command += ["--collect-atstart=no", f"--callgrind-out-file={output.name}", COUNT]
        command += ["steps", clients, workers, queued, bundle, REQUESTS]
        found = re.search(r"Collected : (\d+)", _run(command).stderr)
    if found is None:
        raise Failed("callgrind counted nothing")
    return {"instructions": int(found[1]) / REQUESTS}


def queue_memory() -> dict[str, Any]:
    return dict(json.loads(_run([COUNT, "memory", 1_000_000]).stdout))


def _times() -> dict[str, float]:
    output = json.loads(_run([TIMES, "--benchmark_format=json"]).stdout)
    # Per request: what was run as often as items were processed in a second.
    return {each["name"]: 1e9 / each["items_per_second"] for each in output["benchmarks"]}


# Each is measured once, not once a round: (in a quick run too, how).
CASES: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {
    "queue_memory": (True, queue_memory),
    "core_instructions/small": (True, partial(instructions, *SMALL)),
    **{
        "core_instructions/"
        + "_".join(map(str, case)): (False, lambda case=case: instructions(*case))
        for case in BETWEEN
    },
    "core_instructions/large": (True, partial(instructions, *LARGE)),
    "core_times": (False, _times),
}
