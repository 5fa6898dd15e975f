"""The process of one worker, as its supervisor starts it: python -m samovar.worker_main.

Its configuration comes as JSON in one environment variable, which the app never sees. It tells its supervisor
how far it is through a pipe, one line each: "loaded NAME", "ready", "failed SENTENCE".
"""

import dataclasses
import faulthandler
import gc
import io
import json
import logging
import os
import signal
import sys
import traceback

from samovar.app import AppError, load_service
from samovar.board import Slot
from samovar.host import die_with_parent, keep_freed_memory

VARIABLE = "SAMOVAR_WORKER"
EXIT_NOT_LOADED = 3


@dataclasses.dataclass(frozen=True)
class WorkerConfig:
    """What a worker must know. Descriptors are inherited under the same numbers."""

    target: str
    endpoint: str
    service_name: str | None  # None: the Service object's own
    worker_name: str  # "worker-1": goes behind the service's name
    credit: int
    token: str
    hide_tracebacks: bool
    supervisor_pid: int
    board_fd: int
    slot: int
    status_fd: int

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "WorkerConfig":
        return cls(**json.loads(text))


def main() -> int:
    """Runs the worker that the environment describes; returns its exit code."""
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        print(
            "samovar.worker_main is started by samovar-worker, not by hand",
            file=sys.stderr,
        )
        return 2
    config = WorkerConfig.from_json(text)
    if not die_with_parent(config.supervisor_pid, signal.SIGKILL):
        return 1
    faulthandler.enable()
    keep_freed_memory()
    # What a handler prints shall be seen when it happens, also if the worker dies next.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    os.set_inheritable(config.status_fd, False)
    board = Slot(config.board_fd, config.slot)
    os.close(config.board_fd)
    return serve(config, board)


def serve(config: WorkerConfig, board: Slot) -> int:
    """Imports the app, then serves it. Separate from main() for workers that are forked, not started."""
    try:
        service, name = load_service(config.target, config.service_name)
    except (AppError, ValueError) as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        _tell(config, f"failed {error}")
        return EXIT_NOT_LOADED
    # Only now: a worker's imports of zmq and its context come after everything that the app does.
    from samovar.runner import Worker, WorkerOptions

    logging.getLogger("samovar").addHandler(_log_handler())
    logging.getLogger("samovar").setLevel(logging.INFO)
    logging.getLogger("samovar").propagate = False
    board.begin_worker(os.getpid(), name)
    options = WorkerOptions(
        endpoint=config.endpoint,
        service_name=name,
        worker_name=f"{name}/{config.worker_name}",
        credit=config.credit,
        supervisor=config.token,
        hide_tracebacks=config.hide_tracebacks,
    )
    worker = Worker(service, options, board, on_ready=lambda: _tell(config, "ready"))
    worker.handle_signals()
    gc.freeze()  # what the app has loaded lives as long as the process: not to be looked through again
    _tell(config, f"loaded {name}")
    worker.run()
    return 0


def _log_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("samovar: %(message)s"))
    return handler


def _tell(config: WorkerConfig, line: str) -> None:
    """One line to the supervisor. It ends this process when it is gone, so errors need no answer."""
    try:
        os.write(
            config.status_fd,
            line.replace("\n", " ").encode("utf-8", "replace")[:4000] + b"\n",
        )
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main())
