"""The processes on the other side of a scenario: started, waited for, and ended by their pids."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "bin"
SERVERS = Path(__file__).resolve().parent / "servers"
START_CAP_S = 20
STOP_CAP_S = 10


class Failed(Exception):
    """A scenario that could not be measured; the text says why."""


class Process:
    """One started process; what it writes goes to a file."""

    def __init__(self, name: str, command: list[Any], log: Path, pin: str | None = None) -> None:
        self.name = name
        self._log = log
        pinned = ["taskset", "-c", pin] if pin else []
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                pinned + [str(word) for word in command],
                cwd=SERVERS,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Waits until its output has this text."""
        end = time.monotonic() + START_CAP_S
        while text not in (log := self.log()):
            if self._process.poll() is not None or time.monotonic() > end:
                raise Failed(f"{self.name} did not get ready: {log.strip()[-300:]}")
            time.sleep(0.002)

    def children(self) -> list[int]:
        """The pids of the processes that it has started."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in found]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_CAP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)  # leads its own process group
                self._process.wait()


class Stage:
    """A directory and the processes in it, all of one setup."""

    def __init__(self, directory: Path, pin: str | None = None) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.pin = pin
        self._processes: list[Process] = []

    def ipc(self, name: str) -> str:
        return f"ipc://{self.directory}/{name}"

    def free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def start(self, name: str, command: list[Any], ready: str | None = "ready") -> Process:
        log = self.directory / f"{len(self._processes)}-{name}.log"
        process = Process(name, command, log, self.pin)
        self._processes.append(process)
        if ready is not None:
            process.wait_for(ready)
        return process

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()
