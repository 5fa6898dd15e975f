"""On what, and with what, was measured."""

import os
import platform
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgpack
import zmq

from bench.stage import ROOT


def _first_line(*command: str) -> str | None:
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin")
    if program is None:
        return None
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe() -> dict[str, Any]:
    versions = {
        "samovar": _first_line("git", "describe", "--always", "--dirty"),
        "libzmq": zmq.zmq_version(),
        "pyzmq": zmq.__version__,
        "msgpack": ".".join(map(str, msgpack.version)),
        "python": platform.python_version(),
        "compiler": _first_line("c++", "--version"),
        "nats-server": _first_line("nats-server", "--version"),
        "redis-server": _first_line("redis-server", "--version"),
        "grpc": _first_line("pkg-config", "--modversion", "grpc++"),
        "hiredis": _first_line("pkg-config", "--modversion", "hiredis"),
        "libnats": _first_line("pkg-config", "--modversion", "libnats"),
    }
    return {
        "when": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_average_before": [round(each, 2) for each in os.getloadavg()],
        "versions": {name: version for name, version in versions.items() if version},
    }
