"""Starts worker processes for a supervisor. Another way to start them (forking a zygote) has the same face."""

import os
import signal
import sys
from dataclasses import dataclass, replace
from typing import Protocol

from samovar.worker_main import VARIABLE, WorkerConfig


@dataclass
class WorkerHandle:
    """A started worker. The descriptors are the reading ends of its pipes, non-blocking; close() ends them.

    The worker is a child of this process (or becomes one, by way of the subreaper) and leads a session and
    a process group of its own, both numbered `pid`.
    """

    pid: int
    stdout: int
    stderr: int
    status: int

    def close(self) -> None:
        for fd in (self.stdout, self.stderr, self.status):
            os.close(fd)


class Launcher(Protocol):
    """What a supervisor needs of whoever starts its workers."""

    def start(self, slot: int) -> WorkerHandle:
        """Starts the worker that shall use this slot of the board. Raises OSError."""
        ...


class ProcessLauncher:
    """Starts each worker as a fresh Python process, which imports the app itself."""

    def __init__(self, config: WorkerConfig) -> None:
        """`config` is common to all workers: slot, name and descriptors are filled in for each."""
        self._config = config

    def start(self, slot: int) -> WorkerHandle:
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
        (out_r, out_w), (err_r, err_w), (status_r, status_w) = pipes
        config = replace(
            self._config,
            slot=slot,
            worker_name=f"worker-{slot + 1}",
            status_fd=status_w,
        )
        shared = (config.board_fd, status_w)
        try:
            for fd in shared:
                os.set_inheritable(fd, True)
            pid = os.posix_spawn(
                sys.executable,
                # -P: the app's directory goes on the path later, so that nothing in it hides the library.
                [sys.executable, "-P", "-m", "samovar.worker_main"],
                {**os.environ, VARIABLE: config.to_json()},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, out_w, 1),
                    (os.POSIX_SPAWN_DUP2, err_w, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[
                    signal.SIGPIPE,
                    signal.SIGINT,
                    signal.SIGTERM,
                    signal.SIGHUP,
                ],
            )
        except BaseException:
            for reader, _ in pipes:
                os.close(reader)
            raise
        finally:
            os.set_inheritable(config.board_fd, False)
            for _, writer in pipes:
                os.close(writer)
        for reader, _ in pipes:
            os.set_blocking(reader, False)
        return WorkerHandle(pid, out_r, err_r, status_r)
