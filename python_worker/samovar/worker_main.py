"""The process of one worker: python -m samovar.worker_main, or forked by a zygote, which enters at serve().

Its configuration comes as JSON in one environment variable, which the app never sees. It tells its supervisor
how far it is through a pipe, one line each: "loaded NAME", "parked", "ready", "left", "unhealthy SENTENCE",
"failed SENTENCE". What it is told comes through another one (orders.py).
"""

import dataclasses
import faulthandler
import gc
import importlib
import io
import json
import logging
import os
import signal
import sys
import traceback
from typing import Any

from samovar.app import AppError, load_service
from samovar.board import Slot
from samovar.hooks import HookFailed
from samovar.host import die_with_parent, keep_freed_memory
from samovar.orders import Orders
from samovar.printing import mark_what_is_printed
from samovar.service import Service

VARIABLE = "SAMOVAR_WORKER"
EXIT_NOT_LOADED = 3
# On this signal a worker writes where all its threads are, also from C code that holds the GIL.
STACK_SIGNAL = signal.SIGRTMIN + 9

_OURS = os.path.dirname(__file__) + os.sep

log = logging.getLogger("samovar")


@dataclasses.dataclass(frozen=True)
class WorkerConfig:
    """What a worker must know. Descriptors are inherited under the same numbers, or come with the order to fork."""

    target: str
    service_name: str | None  # None: the Service object's own
    worker_name: str  # "worker-1": goes behind the service's name
    credit: int
    token: str
    hide_tracebacks: bool
    supervisor_pid: int
    generation: int
    health_interval: float  # seconds
    hard_timeout: float | None  # seconds: the pool's
    key_files: tuple[
        str, str
    ] | None  # keys.read_keys(): the secret itself stays out of the environment
    board_fd: int
    slot: int
    parked: bool  # serves only when it is told so
    status_fd: int = -1
    stack_fd: int = -1
    command_fd: int = -1

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
    print_at_once()
    for fd in (config.status_fd, config.stack_fd, config.command_fd):
        os.set_inheritable(fd, False)
    board = Slot(config.board_fd, config.slot)
    os.close(config.board_fd)
    try:
        service, name = load(config)
    except (AppError, HookFailed, ValueError) as error:
        tell(config, "failed " + json.dumps(failure(error)))
        return EXIT_NOT_LOADED
    import_the_rest(service)
    gc.freeze()  # what the app has loaded lives as long as the process: not to be looked through again
    return serve(config, board, service, name)


def print_at_once() -> None:
    """What a handler prints shall be seen when it happens, also if the worker dies next."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def with_descriptors(config: WorkerConfig, status: int, stack: int, command: int) -> WorkerConfig:
    return dataclasses.replace(config, status_fd=status, stack_fd=stack, command_fd=command)


def load(config: WorkerConfig) -> tuple[Service, str]:
    """Imports the app, loads its data and warms it up. Raises AppError, HookFailed, ValueError."""
    service, name = load_service(config.target, config.service_name)
    service.prepare(name)
    try:
        service.state = service.hooks.run("load")
        service.hooks.run("warm_up")
    except HookFailed as error:
        error.service = name
        raise
    return service, name


def import_the_rest(service: Service) -> None:
    """Only after everything that the app does: a worker's zmq; and what this service needs of the library."""
    import samovar.runner

    if service.needs_scheduler:
        import samovar.outbox
        import samovar.scheduler
    if service.needs_event_loop:
        import samovar.event_loop
        import samovar.tasks  # noqa: F401


def failure(error: Exception) -> dict[str, str]:
    """What a supervisor is told of an app that cannot be served; its traceback goes to stderr, too."""
    text = ""
    if error.__cause__ is not None:
        text = "".join(traceback.format_exception(_from_app(error.__cause__)))
        sys.stderr.write(text)
        sys.stderr.flush()
    content = {"failed": str(error).replace("\n", " ")[:1000], "traceback": text[-2000:]}
    service = getattr(error, "service", None)
    return content if service is None else {**content, "service": service}


def _from_app(error: BaseException) -> BaseException:
    """With its traceback from the app's first frame on: how one got there says nothing to its author."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return error.with_traceback(trace)


def _is_ours(path: str) -> bool:
    """This package's, or the import system's."""
    return path.startswith(
        ("<frozen importlib", _OURS, os.path.dirname(importlib.__file__) + os.sep)
    )


def serve(config: WorkerConfig, board: Slot, service: Service, name: str) -> int:
    """Serves a loaded app until it is told to stop; returns the exit code."""
    from samovar.links import WorkerOptions
    from samovar.runner import Worker

    faulthandler.register(STACK_SIGNAL, file=config.stack_fd, all_threads=True)
    board.begin_worker(os.getpid(), name)
    mark_what_is_printed(board)
    logging.getLogger("samovar").addHandler(_log_handler())
    logging.getLogger("samovar").setLevel(logging.INFO)
    logging.getLogger("samovar").propagate = False
    try:
        service.hooks.run("on_worker_start")
    except HookFailed as error:
        tell(config, "failed " + json.dumps(failure(error)))
        return EXIT_NOT_LOADED
    limits = [getattr(method, "hard_timeout", None) for method in service.methods.values()]
    if any(limits):
        tell(config, f"limit {min(limit for limit in limits if limit)}")
    tell(config, f"loaded {name}")
    if service.schema is None:
        log.warning("the schema of '%s' is larger than 128 KiB: callers cannot learn it", name)
    orders = Orders(config.command_fd)
    if config.parked and not _wait_for_go(config, orders):
        return 0
    brokers = orders.wait_for_brokers()
    if brokers is None:
        return 0
    options = WorkerOptions(
        service_name=name,
        worker_name=f"{name}/{config.worker_name}",
        credit=config.credit,
        supervisor=config.token,
        hide_tracebacks=config.hide_tracebacks,
        generation=config.generation,
        health_interval=config.health_interval,
        hard_timeout=config.hard_timeout,
        key_files=config.key_files and (config.key_files[0], config.key_files[1]),
    )
    worker = Worker(
        service,
        options,
        board,
        brokers,
        orders,
        on_ready=lambda: tell(config, "ready"),
        on_left=lambda: tell(config, "left"),
        on_unhealthy=lambda why: tell(config, f"unhealthy {why}"),
    )
    worker.handle_signals()
    worker.run()
    try:
        service.hooks.run("on_stop")
    except HookFailed as error:
        log.error("%s", error)
    return 0


def _wait_for_go(config: WorkerConfig, orders: Orders) -> bool:
    """Waits as a spare; False when it is not wanted any more. SIGTERM ends it as it ends any process."""
    tell(config, "parked")
    return orders.wait_for_go()


def _log_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("samovar: %(message)s"))
    return handler


def tell(config: WorkerConfig, line: str) -> None:
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
