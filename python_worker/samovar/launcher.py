"""Starts the processes of a pool: fresh Python interpreters, with their pipes. zygote.py has the other way.

Each started worker is a child of this process (or becomes one, by way of the subreaper) and leads a
session and a process group of its own, both numbered by its pid.
"""

import os
import signal
import sys
from dataclasses import dataclass, field, replace
from typing import Protocol

from samovar.worker_main import VARIABLE, WorkerConfig

# Whatever the supervisor ignores or handles is as usual in what it starts.
_DEFAULT_SIGNALS = [signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@dataclass
class Pipes:
    """A worker's pipes. `ours` are this side's ends, non-blocking; `theirs` go to the worker, by the same names."""

    ours: dict[str, int] = field(default_factory=dict)
    theirs: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, *names: str) -> "Pipes":
        """The worker writes into all of them but "command". Raises OSError."""
        pipes = cls()
        try:
            for name in names:
                reader, writer = os.pipe2(os.O_CLOEXEC)
                ours, theirs = (writer, reader) if name == "command" else (reader, writer)
                pipes.ours[name], pipes.theirs[name] = ours, theirs
                os.set_blocking(ours, False)
        except OSError:
            pipes.close_theirs()
            pipes.close()
            raise
        return pipes

    def close(self) -> None:
        while self.ours:
            os.close(self.ours.popitem()[1])

    def close_theirs(self) -> None:
        while self.theirs:
            os.close(self.theirs.popitem()[1])


# stdout and stderr of the handlers; status: lines of worker_main; stack: of faulthandler; command: what it is told (orders.py).
WORKER_PIPES = ("stdout", "stderr", "status", "stack", "command")


@dataclass
class WorkerHandle:
    """A worker that is being started, or lives. `pid` is 0 until the zygote has said it."""

    pid: int
    pipes: Pipes


class Launcher(Protocol):
    """What a supervisor needs of whoever starts its workers."""

    def start(self, slot: int, parked: bool) -> WorkerHandle:
        """Starts the worker that shall use this slot of the board. Raises OSError.

        Its command pipe has to tell it whom to serve; a `parked` one waits there, when it could serve, for "go".
        """
        ...

    def retire(self) -> None:
        """No more workers are wanted of it."""
        ...


def worker_name(slot: int) -> str:
    return f"worker-{slot + 1}"


def spawn(module: str, config: str, output: dict[str, int], inherited: list[int]) -> int:
    """Starts `python -m module` with its configuration in the environment; returns the pid. Raises OSError.

    Its stdout and stderr are those of `output`; the descriptors `inherited` keep their numbers.
    """
    try:
        for fd in inherited:
            os.set_inheritable(fd, True)
        return os.posix_spawn(
            sys.executable,
            # -P: the app's directory goes on the path later, so that nothing in it hides the library.
            [sys.executable, "-P", "-m", module],
            {**os.environ, VARIABLE: config},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output["stdout"], 1),
                (os.POSIX_SPAWN_DUP2, output["stderr"], 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_DEFAULT_SIGNALS,
        )
    finally:
        for fd in inherited:
            os.set_inheritable(fd, False)


class ProcessLauncher:
    """Starts each worker as a fresh Python process, which loads the app itself."""

    def __init__(self, config: WorkerConfig) -> None:
        """`config` is common to all workers: slot, name and descriptors are filled in for each."""
        self._config = config

    def start(self, slot: int, parked: bool) -> WorkerHandle:
        pipes = Pipes.open(*WORKER_PIPES)
        theirs = pipes.theirs
        config = replace(
            self._config,
            slot=slot,
            worker_name=worker_name(slot),
            parked=parked,
            status_fd=theirs["status"],
            stack_fd=theirs["stack"],
            command_fd=theirs["command"],
        )
        inherited = [config.board_fd, config.status_fd, config.stack_fd, config.command_fd]
        try:
            pid = spawn("samovar.worker_main", config.to_json(), theirs, inherited)
        except BaseException:
            pipes.close()
            raise
        finally:
            pipes.close_theirs()
        return WorkerHandle(pid, pipes)

    def retire(self) -> None:
        """There is nothing to end."""
