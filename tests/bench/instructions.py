"""Instructions per call of whole C++ processes at 1,000 outstanding, counted by callgrind."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.driving import DRIVER
from bench.setups import PEER
from bench.stage import BIN, Failed, Stage

SECONDS = 8  # of the load; the start of the process is less than one percent then
CAP_S = 120


def _under_callgrind(stage: Stage, name: str) -> list[Any]:
    program = shutil.which("valgrind")
    if program is None:
        raise Failed("valgrind is not installed")
    return [program, "--tool=callgrind", f"--callgrind-out-file={stage.directory}/{name}.out"]


def _load(transport: str, endpoint: str, before: list[Any]) -> tuple[int, str]:
    """The calls that were made, and what the driver wrote to stderr."""
    command = [*before, DRIVER, "--transport", transport, "--endpoint", endpoint]
    command += ["--outstanding", 1000, "--warm-up", 0, "--duration", SECONDS]
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=CAP_S)
    except subprocess.TimeoutExpired:
        raise Failed("the driver did not end") from None
    if done.returncode != 0:
        raise Failed(done.stderr.strip()[-300:])
    return int(json.loads(done.stdout)["calls"]), done.stderr


def _collected(text: str) -> int:
    found = re.search(r"Collected : (\d+)", text)
    if found is None:
        raise Failed("callgrind counted nothing")
    return int(found[1])


def _on_stage(measure: Callable[[Stage], dict[str, Any]]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as directory:
        stage = Stage(Path(directory) / "stage")
        try:
            return measure(stage)
        finally:
            stage.stop()


def _broker(kind: str) -> dict[str, Any]:
    def measure(stage: Stage) -> dict[str, Any]:
        front, back = stage.ipc("front"), stage.ipc("back")
        command = _under_callgrind(stage, kind)
        if kind == "samovard":
            command += [BIN / "samovard", "--frontend", front, "--backend", back]
            broker = stage.start(kind, command, "samovard: ready")
            stage.start("null", [PEER, "null", back])
        else:
            broker = stage.start(kind, [*command, PEER, "proxy", front, back])
            stage.start("echo", [PEER, "echo", back])
        calls, _ = _load("samovar" if kind == "samovard" else "zmq", front, [])
        broker.stop()
        return {"instructions": _collected(broker.log()) / calls}

    return _on_stage(measure)


def _client() -> dict[str, Any]:
    def measure(stage: Stage) -> dict[str, Any]:
        front, back = stage.ipc("front"), stage.ipc("back")
        command = [BIN / "samovard", "--frontend", front, "--backend", back]
        stage.start("samovard", command, "samovard: ready")
        stage.start("null", [PEER, "null", back])
        calls, log = _load("samovar", front, _under_callgrind(stage, "client"))
        return {"instructions": _collected(log) / calls}

    return _on_stage(measure)


CASES: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {
    "instructions/samovard": (False, lambda: _broker("samovard")),
    "instructions/client": (False, _client),
    "instructions/proxy": (False, lambda: _broker("proxy")),
}
